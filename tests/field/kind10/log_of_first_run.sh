#!/usr/bin/env bash
# The same, looking at training_log.csv and metrics.jsonl of the first run.
# Right: refused, or the first log is still there (aside, or the new rows behind it).
# Wrong: gone.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}" --max-steps 6 --logging-steps 1; ok; row=$(sed -n 3p out/training_log.csv); m=$(sed -n 3p out/metrics.jsonl)
train "${LEARN[@]}" --lr 1e-3 --seed 9 --max-steps 3 --logging-steps 1; sane
grep -rqF "$row" out* || wrong "exit $RC: the first training_log.csv is gone"
grep -rqF "$m" out* || wrong "exit $RC: the first metrics.jsonl is gone"
right "exit $RC, both logs are kept"
