#!/usr/bin/env bash
# A plotting script added a column "note" to training_log.csv (header and rows).
# Right: told, or the old rows stay and new rows follow; steps 1 to 9 once each.
# Wrong: rows lost or a failure without a name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 6 --logging-steps 1; ok; sed -i '1s/$/,note/; 2,$s/$/,ok/' out/training_log.csv
train --max-steps 9 --logging-steps 1 --resume auto; sane; [ $RC = 0 ] || { has 'training_log' && right "named: $(last)"; wrong "exit $RC: $(last)"; }
py <<'E'
import sys
t = [int(l.split(',')[0]) for l in open('out/training_log.csv') if l[0].isdigit() and l.split(',')[1]]
if t != list(range(1, 10)): print('WRONG: steps', t); sys.exit(1)
E
[ $? = 0 ] && right "1 to 9 once each"; exit 1
