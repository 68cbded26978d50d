#!/usr/bin/env bash
# The first evaluation takes long (many samples of a large cache); TERM comes meanwhile.
# Right: ends within 6 s with 75.
# Wrong: it evaluates to the end, or dies without saving with another code.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
big_cache c 600; run "$BIN/anemll_cache" import c kd; ok; CACHE=$T/kd; train_line --max-steps 2 --eval-samples 19000
background "${CMD[@]}"; wait_for 'grep -q "Memory per rank" .bg' 20 || skip "did not start"; sleep 1.5; kill -TERM $PID; t0=$SECONDS
grep -q 'eval 0' .bg && skip "the evaluation was too fast"
ends 6 || wrong "still evaluating 6 s after TERM"; [ $RC = 75 ] && right "exit 75 after $((SECONDS - t0)) s"; wrong "exit $RC: $(last)"
