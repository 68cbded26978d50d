#!/usr/bin/env bash
# What the ways to shrink a table are worth: the KD loss of a 4-bit checkpoint, after each conversion to 2 bits, and after
# a few steps of training. Prints one JSON object.
#
#   tests/bench/lut_reduce.sh BUILD_DIR Q4_CHECKPOINT MODEL CACHE [STEPS [LR]]
#
# STEPS (50) are trained at a peak rate of LR (1e-4) in batches of 8. Losses are the evaluation's, over 40 sequences of the
# cache. The default of --lut-reduce is the one that is best in both columns.
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
build=$1 checkpoint=$2 model=$3 cache=$4 steps=${5:-50} lr=${6:-1e-4}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/env.sh"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# The loss of the last evaluation of a run.
last_loss() { grep '"kind": *"eval"' "$1/metrics.jsonl" | tail -n 1 | sed 's/.*"loss": *\([-0-9.e+]*\).*/\1/'; }

rows=
for way in weighted-kmeans symmetric kmeans-entries; do
  said=$("$build/bin/anemll_convert" q4-to-q2 --q4-checkpoint "$checkpoint" --model-id "$model" --lut-reduce "$way" \
    --output "$out/$way/q2.pt" --eval --cache-dir "$cache" --max-tokens 1 | sed -n 's/^KD loss over .*: //p')
  before=${said%% before*}
  after=${said#*, }
  "$build/bin/anemll_train" --v2-checkpoint "$out/$way/q2.pt" --model-id "$model" --cache-dir "$cache" \
    --output-dir "$out/$way/run" --max-steps "$steps" --lr "$lr" --batch-size 8 --eval-samples 40 >&2
  rows+=${rows:+, }"\"$way\": {\"after_conversion\": ${after%% after*}, \"after_training\": $(last_loss "$out/$way/run")}"
done
echo "{\"q4\": $before, \"steps\": $steps, $rows}"
