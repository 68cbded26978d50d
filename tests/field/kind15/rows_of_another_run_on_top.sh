#!/usr/bin/env bash
# The user pasted the rows of an earlier run on top of training_log.csv (to plot both): more lines than the state knows.
# Right: told, or all old rows stay and the rows of this run are 1 to 9 once each at the end.
# Wrong: a cut by number of lines removes this run's rows.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 6 --logging-steps 1; ok
py <<'E'
l = open('out/training_log.csv').read().splitlines()
old = ['%d,9.%06d,,1.00e-03,0.%d' % (i, i, i) for i in range(1, 7)]
open('out/training_log.csv', 'w').write('\n'.join([l[0]] + old + l[1:]) + '\n')
E
train --max-steps 9 --logging-steps 1 --resume auto; sane; has 'training_log' && right "told: exit $RC"; ok
py <<'E'
import sys
r = [l.split(',') for l in open('out/training_log.csv').read().splitlines() if l[0].isdigit()]
own = [int(c[0]) for c in r if c[1] and not c[1].startswith('9.')]; old = [c for c in r if c[1].startswith('9.')]
if own != list(range(1, 10)): print('WRONG: own steps', own); sys.exit(1)
if len(old) != 6: print('WRONG: %d of 6 pasted rows left' % len(old)); sys.exit(1)
E
[ $? = 0 ] && right "own rows 1 to 9, the pasted rows stay"; exit 1
