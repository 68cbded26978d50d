#!/usr/bin/env bash
# Slurm's --signal=USR1@90 hits a job whose ranks have just been started (libraries still loading).
# Right: 75: "run me again", as Slurm requeues by it.
# Wrong: another code within 20 s, or the signal is lost and the run goes on for long.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 1000000
background bash "$REPO/launch/mpirun.sh" -np 2 "${CMD[@]}"; wait_for 'pgrep -P $PID mpirun >/dev/null' 10; sleep 0.3; kill -USR1 $PID
ends 15 || wrong "the signal is lost: goes on 15 s later"; [ $RC = 75 ] && right "exit 75"; wrong "exit $RC: $(last)"
