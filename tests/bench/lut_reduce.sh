#!/usr/bin/env bash
# What the ways to shrink a table are worth: the KD loss of a 4-bit checkpoint, after each conversion to 2 bits, and after
# a few steps of training. Prints one table, also as OUT/lut_reduce.md.
#
#   tests/bench/lut_reduce.sh BUILD_DIR Q4_CHECKPOINT MODEL CACHE OUT [STEPS [LR]]
#
# STEPS (50) are trained at a peak rate of LR (1e-4) in batches of 8. Losses are the evaluation's, over 40 sequences of the
# cache. The default of --lut-reduce is the one that is best in both columns. The same command goes on where it was killed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/stages.sh"
case " $* " in *" --help "* | *" -h "*) usage; exit 0 ;; esac
[ $# -ge 5 ] || { usage >&2; exit 2; }
build=${1%/} checkpoint=$2 model=${3%/} cache=${4%/} out=${5%/} steps=${6:-50} lr=${7:-1e-4}
[[ $steps =~ ^[1-9][0-9]*$ ]] || refuse 2 "'$steps' is no whole number above 0" "tests/bench/lut_reduce.sh --help"
[ -f "$checkpoint" ] || refuse 3 "$checkpoint does not exist" "a 4-bit checkpoint: launch/workflow_c.sh leaves OUT/q4/best_state_dict.pt"
[ -e "$model" ] || refuse 3 "the model $model does not exist" "a model folder or a .gguf file"
[ -e "$cache" ] || refuse 3 "the cache $cache does not exist" "anemll_precompute makes one of a text"
for program in anemll_train anemll_convert; do
  [ -x "$build/bin/$program" ] || refuse 2 "$build/bin has no $program" "bash launch/build.sh release, and give build/release"
done

# train NAME SAYS STEPS CHECKPOINT: its first evaluation is that of the checkpoint.
train() {
  stage "$1" "$2" --from "$4" --from "$model" --from "$cache" --makes "$out/$1" --result "$out/$1/metrics.jsonl" \
    --again --resume --again auto \
    -- "$build/bin/anemll_train" --v2-checkpoint "$4" --model-id "$model" --cache-dir "$cache" --output-dir "$out/$1" \
    --max-steps "$3" --lr "$lr" --warmup-steps $(($3 / 10)) --batch-size 8 --eval-steps 0 --eval-samples 40 --state-steps 10
}
losses() { sed -nE '/"kind":"eval"/s/.*"loss":([-0-9.eE+]+),"best_loss".*/\1/p' "$out/$1/metrics.jsonl"; }
first_loss() { losses "$1" | head -n 1; }
last_loss() { losses "$1" | tail -n 1; }

ways=(weighted-kmeans symmetric kmeans-entries)
stages_begin lut_reduce "$out"
train q4 "the 4-bit checkpoint is scored" 1 "$checkpoint"
for way in "${ways[@]}"; do
  stage "convert-$way" "4 bits become 2: $way" --from "$checkpoint" --from "$model" --makes "$out/$way" --result "$out/$way/q2.pt" \
    -- "$build/bin/anemll_convert" q4-to-q2 --q4-checkpoint "$checkpoint" --model-id "$model" --lut-reduce "$way" \
    --output "$out/$way/q2.pt"
  train "train-$way" "$steps steps from $way" "$steps" "$out/$way/q2.pt"
done

least() { printf '%s\n' "$@" | sort -g | head -n 1; } # LOSS...
after=() trained=()
for way in "${ways[@]}"; do
  after+=("$(first_loss "train-$way")") trained+=("$(last_loss "train-$way")")
done
best_after=$(least "${after[@]}") best_trained=$(least "${trained[@]}")
for found in "${after[@]}" "${trained[@]}"; do
  [ -n "$found" ] || refuse 3 "a run has no evaluations in metrics.jsonl" "look at $out/*/metrics.jsonl"
done
{
  # shellcheck disable=SC2016  # backticks of markdown
  printf '# Ways to shrink a table\n\nKD loss over 40 sequences. Model `%s`, rate %s. The 4-bit checkpoint has %s.\n\n' \
    "${model##*/}" "$lr" "$(first_loss q4)"
  printf '| --lut-reduce | After conversion | After %d steps | Best |\n|---|---|---|---|\n' "$steps"
  for i in "${!ways[@]}"; do
    told=
    [ "${after[i]}" != "$best_after" ] || told="after conversion"
    [ "${trained[i]}" != "$best_trained" ] || told+=${told:+, }"after training"
    printf '| %s | %s | %s | %s |\n' "${ways[i]}" "${after[i]}" "${trained[i]}" "$told"
  done
} | make_file "$out/lut_reduce.md"
cat "$out/lut_reduce.md"
stages_end
