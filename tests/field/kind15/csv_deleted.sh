#!/usr/bin/env bash
# training_log.csv was moved away to be plotted, metrics.jsonl is there; resume.
# Right: a file with the header and the new rows; or told.
# Wrong: a failure, no header, or old steps as if new.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 6 --logging-steps 1; ok; mv out/training_log.csv plot.csv
train --max-steps 9 --logging-steps 1 --resume auto; ok
head -1 out/training_log.csv | grep -q '^step,' || wrong "no header: $(head -1 out/training_log.csv)"
grep -q '^9,' out/training_log.csv && right "header and new rows"; wrong "$(tail -1 out/training_log.csv)"
