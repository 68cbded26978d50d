#!/usr/bin/env bash
# One optimiser step takes minutes (--accumulation-steps 20000); TERM comes in its middle.
# Right: ends within 10 s with 75; a resume repeats the step.
# Wrong: it goes on to the end of the step.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --accumulation-steps 20000 --logging-steps 1
background "${CMD[@]}"; wait_for 'grep -q "eval 0" .bg' 20 || skip "did not start"; sleep 1; kill -TERM $PID; t0=$SECONDS
ends 12 || wrong "still accumulating 12 s after TERM"; [ $RC = 75 ] && right "exit 75 after $((SECONDS - t0)) s"; wrong "exit $RC: $(last)"
