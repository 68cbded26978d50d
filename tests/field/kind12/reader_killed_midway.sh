#!/usr/bin/env bash
# The log is piped into a program (tee, a log shipper) that is killed while the run is at work.
# Right: the run ends with its results.
# Wrong: it dies or waits.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 400 --logging-steps 1; mkfifo f
sleep 100 < f & C=$!; JOBS="$JOBS $C"
(exec timeout "$LIMIT" nice "${CMD[@]}" >f 2>&1 </dev/null) & P=$!
wait_for '[ -s out/training_log.csv ] && [ $(wc -l < out/training_log.csv) -gt 5 ]' 30 || skip "no steps"
kill -KILL $C; wait $C 2>/dev/null; wait $P; RC=$?
[ $RC = 0 ] && finished && right "exit 0, finished"; wrong "exit $RC, $(tail -1 out/training_log.csv)"
