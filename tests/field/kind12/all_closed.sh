#!/usr/bin/env bash
# stdin, stdout and stderr all closed, as some batch systems and cron wrappers do.
# Right: the run ends with its results.
# Wrong: a failure or damaged files.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 6 --logging-steps 1
timeout "$LIMIT" nice "${CMD[@]}" <&- >&- 2>&-; RC=$?
[ $RC = 0 ] && finished && readable out/*.pt && ! grep -rqaE 'step [0-9]+/6|libtorch +2' out && right "exit 0"; wrong "exit $RC, $(ls out 2>/dev/null | tr '\n' ' ')"
