#!/usr/bin/env bash
# training_log.csv was opened and saved by Excel: CRLF, and numbers reformatted (5.00E-05).
# Right: the rows stay, new rows follow, nothing doubled; every line can be read as CSV.
# Wrong: rows lost or the run fails.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 6 --logging-steps 1; ok; sed -i 's/e-0/E-0/g; s/\r*$/\r/' out/training_log.csv
train --max-steps 9 --logging-steps 1 --resume auto; ok
py <<'E'
import sys
t = [int(l.split(',')[0]) for l in open('out/training_log.csv', newline='').read().replace('\r', '').split('\n') if l[:1].isdigit() and l.split(',')[1]]
if t != list(range(1, 10)): print('WRONG: steps', t); sys.exit(1)
E
[ $? = 0 ] && right "1 to 9 once each"; exit 1
