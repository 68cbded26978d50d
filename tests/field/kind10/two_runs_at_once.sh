#!/usr/bin/env bash
# The same command is started twice at the same time into one folder (a double submit).
# Right: the second is refused by name at once, the first ends with whole results.
# Wrong: both write into one folder.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train_line --max-steps 1000000 --save-steps 50; background "${CMD[@]}"; wait_for '[ -s out/training_log.csv ]' 30 || skip "no steps"
P1=$PID; train --max-steps 3; sane; [ $RC = 0 ] && wrong "the second run went through while the first is at work"
kill -0 $P1 2>/dev/null || wrong "the first run ended because of the second"; has 'out' || wrong "exit $RC: $(last)"; m=$(last); kill -TERM $P1; ends 10; [ $RC = 75 ] && right "refused: $m"; wrong "the first run ended with $RC"
