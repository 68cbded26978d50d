#!/usr/bin/env bash
# Speed and memory of whole training steps of the real program, beside the machine's GEMM rate. Prints one JSON
# object: medians over the steps after the first three.
#
#   tests/bench/step.sh BUILD_DIR MODEL_DIR CACHE [RANKS [THREADS_PER_RANK [PRECISION [BATCH]]]]
#
# flops_share: (6 FLOP per body weight and 4 per head weight and token) per second, over the GEMM rate in the
# same precision with as many threads in all. The head counts supervised positions only.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
build=$1 model=$2 cache=$3 ranks=${4:-1} threads=${5:-2} precision=${6:-} batch=${7:-8}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/env.sh"
# PRECISION is by default what the processor multiplies fastest.
fast=fp32
if grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo 2>/dev/null; then fast=bf16; fi
precision=${precision:-$fast}
if [ "$precision" = bf16 ] && [ "$fast" = fp32 ]; then
  echo "this processor does not multiply bf16: a step would take many times as long as in fp32" >&2
  exit 2
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

gemm=$("$build/bench/gemm_bench" $((ranks * threads)))
OMP_NUM_THREADS=$threads bash "$here/../../launch/mpirun.sh" -np "$ranks" "$build/bin/anemll_train" --from-scratch \
  --model-id "$model" --cache-dir "$cache" --output-dir "$out" --group-size 16 --max-steps 15 --batch-size "$batch" \
  --eval-samples 0 --logging-steps 1 --precision "$precision" --threads "$threads" >"$out/log" 2>&1 || { cat "$out/log" >&2; exit 1; }

number() { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" "$2" | head -n 1; }
config=$model/config.json
rate=$(sed -n 's/.*"tokens_per_s":\([0-9.e+]*\).*/\1/p' "$out/metrics.jsonl" | tail -n +4 | sort -g | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}')
peak=$(sed -n 's/.*"peak_resident_bytes":\([0-9]*\).*/\1/p' "$out/metrics.jsonl")
body=$(sed -n 's/.*"body_weights":\([0-9]*\).*/\1/p' "$out/metrics.jsonl")
positions=$(sed -n 's/.*"positions_per_token":\([0-9.]*\).*/\1/p' "$out/metrics.jsonl")
head=$(awk -v v="$(number vocab_size "$config")" -v h="$(number hidden_size "$config")" 'BEGIN {print v * h}')
awk -v rate="$rate" -v peak="$peak" -v body="$body" -v head="$head" -v share="$positions" -v gemm="$gemm" -v ranks="$ranks" \
    -v threads="$threads" -v precision="$precision" -v batch="$batch" 'BEGIN {
  match(gemm, "gemm_" precision "_gflops\": [0-9.]+"); split(substr(gemm, RSTART, RLENGTH), part, ": ")
  flops = rate * (6 * body + 4 * head * share) / 1e9
  printf "{\"ranks\": %d, \"threads_per_rank\": %d, \"precision\": \"%s\", \"batch\": %d, \"tokens_per_s\": %.1f, \"step_gflops\": %.1f, \"gemm\": %s, \"flops_share\": %.3f, \"peak_mib_rank0\": %.0f}\n",
    ranks, threads, precision, batch, rate, flops, gemm, flops / part[2], peak / 1048576
}'
