#!/usr/bin/env bash
# The log goes to a file on a full disk (2>/dev/full >/dev/full); the results lie on another disk.
# Right: the run ends with its results.
# Wrong: a failure.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 6 --logging-steps 1
timeout "$LIMIT" nice "${CMD[@]}" </dev/null >/dev/full 2>/dev/full; RC=$?
[ $RC = 0 ] && finished && readable out/*.pt && right "exit 0"; wrong "exit $RC, $(ls out 2>/dev/null | tr '\n' ' ')"
