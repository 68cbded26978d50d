#!/usr/bin/env bash
# Workflow C, progressive: 4 bits are trained, reduced to 2 bits, their scales trained on, snapped and verified.
#
#   launch/workflow_c.sh MODEL TEXT_OR_CACHE OUT [options]
#
# MODEL is a model folder, a .gguf file or org/name on the hub. TEXT_OR_CACHE is a text or data set that MODEL reads
# first, or a KD cache: a folder, or an archive of one. OUT gets the result in OUT/snap, and
# OUT/report.html, OUT/report.md and OUT/report.json.
set -euo pipefail
recipe=workflow_c
needs=anemll_convert
own_steps='--q4-steps 2000 steps of the 4-bit training
--steps 1000 steps of the 2-bit training'
. "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
recipe_begin "$@"

train q4 "4-bit scales from scratch" --q4-steps 1e-4 -- --from-scratch --config q4a4

stage_name=convert
stage convert "4 bits become 2: smaller LUTs, higher ranks" --from "$model" --from "$cache" --from "$out/q4/best_state_dict.pt" --makes "$out/q2_init" \
  --cost "$(cost $((2 * 40 * tokens_of_sequence)) 1 16)" \
  -- "$bin/anemll_convert" q4-to-q2 --q4-checkpoint "$out/q4/best_state_dict.pt" --model-id "$model" \
  --output "$out/q2_init/q2_init.pt" --eval --cache-dir "$cache"

train q2 "the 2-bit scales recover" --steps 5e-5 --from "$out/q2_init/q2_init.pt" \
  -- --v2-checkpoint "$out/q2_init/q2_init.pt"
recipe_finish "$out/q2/best_state_dict.pt"
