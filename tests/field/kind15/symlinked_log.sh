#!/usr/bin/env bash
# training_log.csv is a link to a shared drive, so that colleagues can watch; resume.
# Right: the link stays and its target has all rows.
# Wrong: the link is replaced by a file and the watchers see no more.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 6 --logging-steps 1; ok; mkdir share; mv out/training_log.csv share/run.csv; ln -s ../share/run.csv out/training_log.csv
train --max-steps 9 --logging-steps 1 --resume auto; sane
[ -L out/training_log.csv ] && grep -q '^9,' share/run.csv && right "exit $RC, the link's target has step 9"
has 'training_log' && right "told"; wrong "exit $RC, link: $([ -L out/training_log.csv ] && echo yes || echo no), last row of the target: $(tail -1 share/run.csv)"
