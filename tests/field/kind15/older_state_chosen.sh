#!/usr/bin/env bash
# --resume state/step_00000004 although step_00000008 exists: the user goes back on purpose.
# Right: rows of 5 to 8 of the first try are replaced (or kept aside), 1 to 4 stay, 5 to 10 are new, each once.
# Wrong: doubled or lost.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 8 --logging-steps 1 --save-steps 4; ok
train --max-steps 10 --logging-steps 1 --save-steps 4 --resume out/state/step_00000004; ok
py <<'E'
import sys
t = [int(l.split(',')[0]) for l in open('out/training_log.csv') if l[0].isdigit() and l.split(',')[1]]
if t != list(range(1, 11)): print('WRONG: steps', t); sys.exit(1)
E
[ $? = 0 ] && right "1 to 10 once each"; exit 1
