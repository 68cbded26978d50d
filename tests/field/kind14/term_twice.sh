#!/usr/bin/env bash
# An impatient batch system sends TERM twice, half a second apart.
# Right: saved, exit 75.
# Wrong: the second ends it without the state.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 1000000
background "${CMD[@]}"; wait_for '[ -s out/training_log.csv ]' 30 || skip "no steps"; sleep 0.5; kill -TERM $PID; sleep 0.05; kill -TERM $PID; sleep 0.3; kill -TERM $PID 2>/dev/null
ends 10 || wrong "lives on"; ls -d out/state/step_* >/dev/null 2>&1 && [ $RC = 75 ] && right "exit 75, saved"; wrong "exit $RC, $(ls out/state 2>/dev/null | tr '\n' ' ')"
