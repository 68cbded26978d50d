#!/usr/bin/env bash
# cp -r made "step_00000004 (copy)" and step_00000012.bak in state/. --resume auto.
# Right: goes on from the newest true state (step 8), the copies stay.
# Wrong: fails, starts anew, takes the .bak, or deletes the copies.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 8 --save-steps 4; ok; cp -r out/state/step_00000004 "out/state/step_00000004 (copy)"; cp -r out/state/step_00000004 out/state/step_00000012.bak; rm -f out/v2_*
train --max-steps 9 --resume auto; ok; [ -d "out/state/step_00000004 (copy)" ] && [ -d out/state/step_00000012.bak ] || wrong "the user's copies were deleted"
has 'resum.*step[_ ]0*8\b' && right "from step 8"; wrong "$(grep -i resumed <<<"$OUT")"
