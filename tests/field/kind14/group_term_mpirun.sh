#!/usr/bin/env bash
# systemd, timeout or a batch system sends TERM to the whole process group: script, mpirun and ranks at once.
# Right: all ranks save, exit 75, a state to resume from.
# Wrong: mpirun kills them first; no state or another code.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 1000000
background bash "$REPO/launch/mpirun.sh" -np 2 "${CMD[@]}"; wait_for '[ -s out/training_log.csv ] && [ $(wc -l < out/training_log.csv) -gt 2 ]' 30 || skip "no steps: $(tail -1 .bg)"
kill -TERM -- -$PID; ends 15 || wrong "lives on 15 s after TERM"
ls -d out/state/step_* >/dev/null 2>&1 || wrong "exit $RC, nothing was saved"; [ $RC = 75 ] && right "exit 75, $(ls out/state | tr '\n' ' ')"; wrong "saved, but exit $RC"
