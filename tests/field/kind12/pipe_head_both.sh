#!/usr/bin/env bash
# anemll_train ... 2>&1 | head -3: the reader leaves after three lines.
# Right: the run ends with its results; who reads the log has no say.
# Wrong: the run dies of the pipe.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 6 --logging-steps 1
timeout "$LIMIT" nice "${CMD[@]}" 2>&1 </dev/null | head -3 >/dev/null; RC=${PIPESTATUS[0]}
[ "$RC" = 0 ] && finished && readable out/*.pt && right "exit 0, finished"; wrong "exit $RC, $(ls out 2>/dev/null | tr '\n' ' ')"
