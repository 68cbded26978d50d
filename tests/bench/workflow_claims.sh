#!/usr/bin/env bash
# Two claims about the workflows, at equal batch and data. After V1: V2 training ends at most half-way between the converted
# start and V1's loss. Progressive: a 2-bit model that starts from 4 bits reaches the final loss of a 2-bit run from scratch
# in at most a third of its steps. Prints one table, also as OUT/claims.md. A claim that does not hold is no failure.
#
#   tests/bench/workflow_claims.sh MODEL_DIR CACHE OUT
#
# Losses are the evaluation's (KD loss without hard terms), over SAMPLES sequences of CACHE, every EVAL_STEPS steps. If the
# second claim fails with a schedule of a third of the steps, one of all of scratch's steps is tried too. The same command
# goes on where it was killed; a stage whose numbers have changed runs anew.
#
# Numbers, by variable:
#   BATCH 8           sequences of a step, in every run
#   RANKS 1           ranks of every training
#   V1_STEPS 300      full weights           V1_LR 1e-5
#   V2_STEPS 300      V2 after V1            V2_LR 5e-5
#   Q4_STEPS 300      4 bits from scratch    Q4_LR 1e-4
#   SCRATCH_STEPS 300 2 bits from scratch    SCRATCH_LR 1e-4
#   Q2_LR 1e-4        2 bits from 4 bits, SCRATCH_STEPS / 3 steps
#   EVAL_STEPS 10, SAMPLES 40, ANEMLL_BIN (the programs: build/release/bin)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/stages.sh"
case " $* " in *" --help "* | *" -h "*) usage; exit 0 ;; esac
[ $# -eq 3 ] || { usage >&2; exit 2; }
model=${1%/} cache=${2%/} out=${3%/} bin=$(programs_folder)
batch=${BATCH:-8} ranks=${RANKS:-1} eval_steps=${EVAL_STEPS:-10} samples=${SAMPLES:-40}
v1_steps=${V1_STEPS:-300} v2_steps=${V2_STEPS:-300} q4_steps=${Q4_STEPS:-300} scratch_steps=${SCRATCH_STEPS:-300}
for number in "$batch" "$ranks" "$eval_steps" "$samples" "$v1_steps" "$v2_steps" "$q4_steps" "$scratch_steps"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || refuse 2 "'$number' is no whole number above 0" "tests/bench/workflow_claims.sh --help"
done
third=$((scratch_steps / 3))
[ "$third" -ge 1 ] || refuse 2 "SCRATCH_STEPS=$scratch_steps has no third" "give at least 3"
[ -e "$model" ] || refuse 3 "the model $model does not exist" "a model folder or a .gguf file"
[ -e "$cache" ] || refuse 3 "the cache $cache does not exist" "anemll_precompute makes one of a text"
for program in anemll_train_v1 anemll_train anemll_convert; do
  [ -x "$bin/$program" ] || refuse 2 "$bin has no $program" "bash launch/build.sh release programs, or ANEMLL_BIN=FOLDER"
done

# run_of NAME SAYS STEPS LR [--from PATH] -- PROGRAM WORD...: a training into OUT/NAME.
run_of() {
  local name=$1 says=$2 most=$3 rate=$4 from=() warmup
  shift 4
  while [ "$1" != -- ]; do from+=("$1"); shift; done
  shift
  warmup=$((most / 10))
  stage "$name" "$says" --from "$model" --from "$cache" "${from[@]}" --makes "$out/$name" \
    --result "$out/$name/best_state_dict.pt" --result "$out/$name/metrics.jsonl" \
    --again --resume --again auto --ranks "$ranks" \
    -- "$bin/$1" "${@:2}" --model-id "$model" --cache-dir "$cache" --output-dir "$out/$name" --max-steps "$most" \
    --lr "$rate" --warmup-steps "$warmup" --batch-size "$batch" --eval-steps "$eval_steps" --eval-samples "$samples" --state-steps 20
}
# Lines "STEP LOSS" of the evaluations of a run.
losses() { sed -nE '/"kind":"eval"/s/.*"step":([0-9]+),"loss":([-0-9.eE+]+).*/\1 \2/p' "$out/$1/metrics.jsonl"; }
first_loss() { losses "$1" | awk 'NR == 1 {print $2}'; }
last_loss() { losses "$1" | awk '{loss = $2} END {print loss}'; }
best_loss() { losses "$1" | awk 'NR == 1 || $2 + 0 < least + 0 {least = $2} END {print least}'; }
# steps_to NAME LOSS: the first step whose evaluation is at most LOSS; empty if none is.
steps_to() { losses "$1" | awk -v wanted="$2" '$2 + 0 <= wanted + 0 && !found {print $1; found = 1}'; }
at_most() { awk -v a="$1" -v b="$2" 'BEGIN {exit !(a + 0 <= b + 0)}'; }
verdict() { if "$@"; then echo holds; else echo "does NOT hold"; fi; }

stages_begin workflow_claims "$out"
# The shapes of the preset q2a4: V1's ranks stay on conversion.
run_of v1 "V1: full weights under quantisation" "$v1_steps" "${V1_LR:-1e-5}" \
  -- anemll_train_v1 --train-weights --quantize-attn --lut-size 4 --attn-lut-size 16 --scale-rank 32 --attn-scale-rank 8
run_of v2 "V1 becomes V2, and its scales are trained" "$v2_steps" "${V2_LR:-5e-5}" --from "$out/v1/best_state_dict.pt" \
  -- anemll_train --v1-checkpoint "$out/v1/best_state_dict.pt"
run_of scratch "2-bit scales from scratch" "$scratch_steps" "${SCRATCH_LR:-1e-4}" -- anemll_train --from-scratch --config q2a4
run_of q4 "4-bit scales from scratch" "$q4_steps" "${Q4_LR:-1e-4}" -- anemll_train --from-scratch --config q4a4
stage convert "4 bits become 2" --from "$model" --from "$out/q4/best_state_dict.pt" --makes "$out/q2_init" \
  -- "$bin/anemll_convert" q4-to-q2 --q4-checkpoint "$out/q4/best_state_dict.pt" --model-id "$model" --output "$out/q2_init/q2_init.pt"
from_q4=(--from "$out/q2_init/q2_init.pt" -- anemll_train --v2-checkpoint "$out/q2_init/q2_init.pt")
run_of q2 "2 bits from 4 bits, a third of scratch's steps" "$third" "${Q2_LR:-1e-4}" "${from_q4[@]}"
wanted=$(last_loss scratch)
tried=(q2)
if [ -z "$(steps_to q2 "$wanted")" ]; then
  run_of q2_long "2 bits from 4 bits, as many steps as from scratch" "$scratch_steps" "${Q2_LR:-1e-4}" "${from_q4[@]}"
  tried+=(q2_long)
fi

converted=$(first_loss v2) v1_loss=$(best_loss v1) v2_loss=$(last_loss v2)
for found in "$converted" "$v1_loss" "$v2_loss" "$wanted"; do
  [ -n "$found" ] || refuse 3 "a run has no evaluations in metrics.jsonl" "look at $out/*/metrics.jsonl"
done
half=$(awk -v a="$converted" -v b="$v1_loss" 'BEGIN {printf "%.6g", b + (a - b) / 2}')
first_claim=$(verdict at_most "$v2_loss" "$half")
# V1 may end above the converted start: then half-way is no claim.
at_most "$v1_loss" "$converted" || first_claim="says nothing: conversion lost no quality"
reached='' reached_by=''
for name in "${tried[@]}"; do
  reached=$(steps_to "$name" "$wanted")
  if [ -n "$reached" ]; then reached_by=$name; break; fi
done
second_claim=$(verdict at_most "${reached:-$((scratch_steps + 1))}" "$third")
told="not in $scratch_steps steps"
[ -z "$reached" ] || told="$reached steps ($reached_by)"

row() { printf '| %s | %s | %s | %s | %s |\n' "$1" "$2" "$(first_loss "$3")" "$(best_loss "$3")" "$(last_loss "$3")"; }
{
  # shellcheck disable=SC2016  # backticks of markdown
  printf '# Claims of the workflows\n\nModel `%s`, cache `%s`, batch %d. KD loss over %d sequences.\n\n' "${model##*/}" "${cache##*/}" "$batch" "$samples"
  printf '| Run | Steps | Start | Best | End |\n|---|---|---|---|---|\n'
  row "V1, rate ${V1_LR:-1e-5}" "$v1_steps" v1
  row "V2 after V1, rate ${V2_LR:-5e-5}" "$v2_steps" v2
  row "2 bits from scratch, rate ${SCRATCH_LR:-1e-4}" "$scratch_steps" scratch
  row "4 bits from scratch, rate ${Q4_LR:-1e-4}" "$q4_steps" q4
  row "2 bits from 4 bits, rate ${Q2_LR:-1e-4}" "$third" q2
  [ ${#tried[@]} -eq 1 ] || row "2 bits from 4 bits, as long as scratch" "$scratch_steps" q2_long
  printf '\n| Claim | Measured | Wanted | |\n|---|---|---|---|\n'
  printf '| V2 after V1 ends half-way from the converted start (%s) to V1 (%s), or lower | %s | %s at most | %s |\n' \
    "$converted" "$v1_loss" "$v2_loss" "$half" "$first_claim"
  printf '| 2 bits from 4 bits reach the final loss of scratch (%s) in a third of its steps | %s | %d steps at most | %s |\n' \
    "$wanted" "$told" "$third" "$second_claim"
  printf '\nThe 4-bit run took %d steps before. V1 counts with its best file, from which V2 starts.\n' "$q4_steps"
  printf '\nTime of the stages:'
  for name in "${stages_names[@]}"; do printf ' %s %s,' "$name" "$(spell_seconds "$(field "$stages_state/$name.done" seconds)")"; done | sed 's/,$/.\n/'
} | make_file "$out/claims.md"
cat "$out/claims.md"
stages_end
