#!/usr/bin/env bash
# Started by a daemon that closed stderr (2>&-): the first file opened gets descriptor 2.
# Right: the run ends with its results, and no log line is inside of any file.
# Wrong: a failure, or log text inside a result.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 6 --logging-steps 1
timeout "$LIMIT" nice "${CMD[@]}" </dev/null >o 2>&-; RC=$?
[ $RC = 0 ] && finished || wrong "exit $RC, $(ls out 2>/dev/null | tr '\n' ' ')"
grep -rlaE 'step [0-9]+/6|libtorch +2' out && wrong "log lines inside of $(grep -rlaE 'step [0-9]+/6|libtorch +2' out | tr '\n' ' ')"
readable out/*.pt && "$BIN/anemll_cache" verify out/kd_cache >/dev/null 2>&1 && right "exit 0, files are whole"; wrong "a damaged file"
