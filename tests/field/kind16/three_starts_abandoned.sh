#!/usr/bin/env bash
# The same command three times without --resume: each start puts the earlier states aside.
# Right: the states of all earlier runs are still there, under different names.
# Wrong: one is overwritten.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 2; ok; a=$(sha256sum < out/state/step_00000002/parameters.safetensors)
train --max-steps 2 --lr 1e-3 --warmup-steps 0; sane; [ $RC = 0 ] || right "refused: $(last)"; b=$(sha256sum < out/state/step_00000002/parameters.safetensors)
train --max-steps 2 --lr 1e-2 --warmup-steps 0; ok
all=$(find out -name parameters.safetensors -exec sha256sum {} +)
grep -q "${a%% *}" <<<"$all" && grep -q "${b%% *}" <<<"$all" && right "$(wc -l <<<"$all") states"; wrong "a state of the earlier runs is gone"
