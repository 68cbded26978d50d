#!/usr/bin/env bash
# Speed of the teacher pass of the real program in both precisions, beside the machine's GEMM rate. Prints one JSON
# object.
#
#   tests/bench/precompute.sh BUILD_DIR MODEL_DIR TEXT.json [THREADS]
#
# TEXT.json holds Alpaca records; 256 sequences of them are made: L = 64, K = 64, R = 128, batches of 16, logsumexp.
# gflops: 2 FLOP per body and head weight and token. share: of the GEMM rate in the same precision with as many threads.
# Loading the model, tokenising and starting are not part of the time; writing the cache is.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
build=$1 model=$2 text=$3 threads=${4:-$(getconf _NPROCESSORS_ONLN)}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/env.sh"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# Tokens a second of a run in precision $1.
rate() {
  OMP_NUM_THREADS=$threads "$build/bin/anemll_precompute" --teacher_model_name_or_path "$model" --local_files_only \
    --dataset_name "$text" --dataset_format alpaca_chat --max_length 64 --topk 64 --rand_neg 128 --num_sequences 256 \
    --batch_size 16 --holdout 0 --dtype "$1" --threads "$threads" --output_dir "$out/$1" >"$out/log" 2>&1 ||
    { cat "$out/log" >&2; exit 1; }
  grep -q '"sequences": 256,' "$out/$1/index.json" || { echo "$text gives fewer than 256 sequences" >&2; exit 3; }
  sed -n 's/.*teacher pass: 256 sequences in .*, \([0-9]*\) tokens\/s$/\1/p' "$out/log"
}
bf16=$(rate bf16)
gemm=$(OMP_NUM_THREADS=$threads "$build/bench/gemm_bench" "$threads") # between the two: what disturbs one disturbs it
fp32=$(rate fp32)

number() { grep -o "\"$1\": *[0-9]*" "$model/config.json" | head -n 1 | sed 's/.*: *//' || true; }
hidden=$(number hidden_size) heads=$(number num_attention_heads) head_dim=$(number head_dim)
kv_heads=$(number num_key_value_heads)
width=${head_dim:-$((hidden / heads))}
layer=$((hidden * (2 * heads * width + 2 * ${kv_heads:-$heads} * width + 3 * $(number intermediate_size))))
weights=$(($(number num_hidden_layers) * layer + hidden * $(number vocab_size)))
awk -v bf16="$bf16" -v fp32="$fp32" -v gemm="$gemm" -v weights="$weights" -v threads="$threads" '
function part(precision, rate,   words, peak, flops) {
  match(gemm, "gemm_" precision "_gflops\": [0-9.]+"); split(substr(gemm, RSTART, RLENGTH), words, ": ")
  peak = words[2]; flops = 2 * weights * rate / 1e9
  return sprintf("\"%s\": {\"tokens_per_s\": %d, \"gflops\": %.1f, \"gemm_gflops\": %.1f, \"share\": %.3f}", precision, rate, flops, peak, flops / peak)
}
BEGIN { printf "{\"threads\": %d, \"weights\": %d, %s, %s}\n", threads, weights, part("bf16", bf16), part("fp32", fp32) }'
