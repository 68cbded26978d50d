#!/usr/bin/env bash
# The same on two ranks under launch/mpirun.sh, 2>&1 | head -3.
# Right: the run ends with its results (the exit code may be mpirun's).
# Wrong: no results.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 6 --logging-steps 1
timeout "$LIMIT" nice bash "$REPO/launch/mpirun.sh" -np 2 "${CMD[@]}" 2>&1 </dev/null | head -3 >/dev/null; RC=${PIPESTATUS[0]}
finished && readable out/*.pt && right "exit $RC, finished"; wrong "exit $RC, $(ls out 2>/dev/null | tr '\n' ' ')"
