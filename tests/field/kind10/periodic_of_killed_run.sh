#!/usr/bin/env bash
# A run with --save-steps was killed; a new one (from scratch, other seed) starts in its folder without --resume.
# Right: refused, or checkpoint_step2.pt of the killed run is kept.
# Wrong: overwritten.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train_line "${LEARN[@]}" --max-steps 100000 --save-steps 2 --keep-checkpoints 0
background "${CMD[@]}"; wait_for '[ -s out/checkpoint_step4.pt ]' 30 || skip "no checkpoint"; kill -KILL $PID; wait $PID 2>/dev/null
a=$(sha256sum < out/checkpoint_step2.pt)
scratch --seed 5 "${LEARN[@]}" --max-steps 4 --save-steps 2; sane
find out* -type f -exec sha256sum {} + | grep -q "${a%% *}" || wrong "exit $RC: the killed run's checkpoint_step2.pt is gone"
right "exit $RC, kept"
