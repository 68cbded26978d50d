#!/usr/bin/env bash
# Workflow B, V2 from scratch: the model is quantised, its scales are trained, the result is snapped and verified.
#
#   launch/workflow_b.sh MODEL TEXT_OR_CACHE OUT [options]
#
# MODEL is a model folder, a .gguf file or org/name on the hub. TEXT_OR_CACHE is a text or data set that MODEL reads
# first, or a KD cache: a folder, or an archive of one. OUT gets the result in OUT/snap, and
# OUT/report.html, OUT/report.md and OUT/report.json.
set -euo pipefail
recipe=workflow_b
needs=''
own_steps='--steps 3000 steps of the training'
. "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
recipe_begin "$@"

train v2 "V2 scales from scratch" --steps 1e-4 -- --from-scratch
recipe_finish "$out/v2/best_state_dict.pt"
