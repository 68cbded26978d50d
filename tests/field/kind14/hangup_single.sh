#!/usr/bin/env bash
# The ssh session of a single-process run is closed: SIGHUP.
# Right: saved, exit 75 (or it goes on to its end).
# Wrong: killed by the hangup without saving.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 1000000
background "${CMD[@]}"; wait_for '[ -s out/training_log.csv ]' 30 || skip "no steps"; sleep 1; kill -HUP $PID
if ends 8; then ls -d out/state/step_* >/dev/null 2>&1 || wrong "exit $RC, nothing was saved"; [ $RC = 75 ] && right "exit 75, saved"; wrong "exit $RC"; fi
kill -TERM $PID; ends 10; [ $RC = 75 ] && right "goes on after SIGHUP, 75 on TERM"; wrong "exit $RC"
