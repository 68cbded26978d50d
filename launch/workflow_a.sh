#!/usr/bin/env bash
# Workflow A, V1 first, then V2: full weights are trained, converted, their scales trained on, snapped and verified.
#
#   launch/workflow_a.sh MODEL TEXT_OR_CACHE OUT [options]
#
# MODEL is a model folder, a .gguf file or org/name on the hub. TEXT_OR_CACHE is a text or data set that MODEL reads
# first, or a KD cache: a folder, or an archive of one. OUT gets the result in OUT/snap, and OUT/report.html,
# OUT/report.md and OUT/report.json. The option --v1-config-file FILE names a file with settings of anemll_train_v1; the
# shapes that it does not name are those of the preset q2a4.
set -euo pipefail
recipe=workflow_a
needs=anemll_train_v1
own_steps='--v1-steps 1000 steps of the V1 training
--steps 1000 steps of the V2 training'
. "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
recipe_begin "$@"

# The V1 model has the shapes that the preset q2a4 has in V2: V1's rank stays on conversion.
v1=() v1_from=() v1_file=${choice[--v1-config-file]}
if [ -n "$v1_file" ]; then
  v1=(--config-file "$v1_file")
  v1_from=(--from "$v1_file")
fi
[ -n "$(said_in_file "$v1_file" quantize-attn)" ] || v1+=(--quantize-attn)
for pair in lut-size=4 attn-lut-size=16 scale-rank=32 attn-scale-rank=8; do
  [ -n "$(said_in_file "$v1_file" "${pair%%=*}")" ] || v1+=("--${pair%%=*}" "${pair#*=}")
done
v1_steps=${steps[--v1-steps]} v1_batch=$(said_in_file "$v1_file" batch-size)
v1_said=$(said_in_file "$v1_file" max-steps)
if [ -n "${typed[--v1-steps]-}" ] || [ -z "$v1_said" ]; then v1+=(--max-steps "$v1_steps"); else v1_steps=$v1_said; fi
# A killed training goes on from its last state.
[ -n "$(said_in_file "$v1_file" state-steps)" ] || v1+=(--state-steps "$(at_most 50 "$v1_steps")")
stage_name=v1
stage v1 "V1: full weights under quantisation" --from "$model" --from "$cache" "${v1_from[@]}" --makes "$out/v1" \
  --result "$out/v1/best_state_dict.pt" --result "$out/v1/config.json" --again --resume --again auto --check --print-config --ranks "${choice[--ranks]}" \
  --cost "$(cost $((v1_steps * ${v1_batch:-32} * tokens_of_sequence)) 3 24)" \
  -- "$bin/anemll_train_v1" --model-id "$model" --kd-cache-dir "$cache" --output-dir "$out/v1" --train-weights \
  "${v1[@]}" "${teacher[@]}"

# The best of V1: the last file may be worse, and snapped.
train v2 "V1 becomes V2, and its scales are trained" --steps 5e-5 --from "$out/v1/best_state_dict.pt" \
  -- --v1-checkpoint "$out/v1/best_state_dict.pt"
recipe_finish "$out/v2/best_state_dict.pt"
