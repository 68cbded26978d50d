#!/usr/bin/env bash
# An operator sends TERM to one rank (rank 1) found by ps, not to the script.
# Right: all ranks save, exit 75.
# Wrong: another code, nothing saved.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 1000000
printf 'echo $$ > %s/pid.$OMPI_COMM_WORLD_RANK\nexec %s\n' "$T" "${CMD[*]}" > w.sh
background bash "$REPO/launch/mpirun.sh" -np 2 bash w.sh; wait_for '[ -s out/training_log.csv ]' 30 || skip "no steps: $(tail -1 .bg)"; sleep 0.5
kill -TERM $(cat pid.1); ends 15 || wrong "lives on 15 s after TERM"
ls -d out/state/step_* >/dev/null 2>&1 || wrong "exit $RC, nothing was saved: $(last)"; [ $RC = 75 ] && right "exit 75"; wrong "saved, but exit $RC: $(last)"
