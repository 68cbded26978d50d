#!/usr/bin/env bash
# Between stop and resume somebody opened training_log.csv, left a blank line and a comment ("# lr raised") in it.
# Right: rows up to the state's step stay, each once; the user's line stays; new rows follow.
# Wrong: rows lost, doubled or the comment gone.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 6 --logging-steps 1 --save-steps 6; ok
sed -i '3s/$/\n# lr raised\n/' out/training_log.csv
train --max-steps 9 --logging-steps 1 --resume auto; ok
py <<'E'
import csv
rows = [l.split(',') for l in open('out/training_log.csv').read().splitlines() if l and l[0].isdigit()]
t = [int(r[0]) for r in rows if r[1]]
import sys
if t != list(range(1, 10)): print('WRONG: train rows of steps', t); sys.exit(1)
if '# lr raised' not in open('out/training_log.csv').read(): print("WRONG: the user's comment is gone"); sys.exit(1)
E
[ $? = 0 ] && right "steps 1 to 9 once each, the comment stays"; exit 1
