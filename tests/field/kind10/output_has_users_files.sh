#!/usr/bin/env bash
# The output folder holds the user's own config.json (of another tool) and notes; nothing of a run.
# Right: refused, or both unchanged (moved aside and told is right too).
# Wrong: the user's config.json is gone.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir out; echo '{"my": "experiment plan"}' > out/config.json; echo notes > out/training_log.csv
O=$T/out; train; sane
grep -rq 'experiment plan' out* || wrong "exit $RC: the user's config.json is gone"
grep -rqx 'notes' out* || wrong "exit $RC: the user's training_log.csv is gone"
right "exit $RC, kept"
