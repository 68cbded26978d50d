#!/usr/bin/env bash
# The first part logged every 3 steps, the resumed one every step; killed in between (state 6, rows to 9).
# Right: rows 3, 6, then 7, 8, 9, 10 once each.
# Wrong: cut by line count leaves or loses rows.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 9 --logging-steps 3 --save-steps 3; ok; rm -rf out/state/step_00000009; echo step_00000006 > out/state/latest; rm -f out/v2_*
train --max-steps 10 --logging-steps 1 --resume out/state/step_00000006; ok
py <<'E'
import sys
t = [int(l.split(',')[0]) for l in open('out/training_log.csv') if l[0].isdigit() and l.split(',')[1]]
if t != [3, 6, 7, 8, 9, 10]: print('WRONG: steps', t); sys.exit(1)
E
[ $? = 0 ] && right "3, 6, 7, 8, 9, 10"; exit 1
