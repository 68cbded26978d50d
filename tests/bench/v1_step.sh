#!/usr/bin/env bash
# A step of anemll_train_v1 with its optimiser against a plain PyTorch full-weight step of the same model, batch, length,
# precision and threads: five pairs, who comes first alternates. Prints each pair, then one JSON object.
#
#   tests/bench/v1_step.sh BUILD_DIR MODEL_DIR CACHE [THREADS [PRECISION [BATCH [STEPS]]]]
#
# A rate is tokens/s, the median of STEPS (5) steps after two of warm-up. `ratio` is ours over PyTorch's, `median_ratio`
# that of the pairs. Ours trains every linear's weights against the cache (the reference's losses); the length is the
# cache's. Its rate counts supervised tokens, PyTorch's all: padding in the cache counts against us. PRECISION is by
# default what the processor multiplies fastest. PYTHON names an interpreter with torch and transformers (python3),
# PAIRS another number of pairs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/stages.sh"
case " $* " in *" --help "* | *" -h "*) usage; exit 0 ;; esac
[ $# -ge 3 ] || { usage >&2; exit 2; }
build=$1 model=$2 cache=$3 threads=${4:-2} precision=${5:-} batch=${6:-8} steps=${7:-5}
. "$here/../../launch/env.sh"
python=${PYTHON:-python3} pairs=${PAIRS:-5} warmup=2

for number in "$threads" "$batch" "$steps" "$pairs"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || refuse 2 "'$number' is no whole number above 0" "tests/bench/v1_step.sh --help"
done
fast=fp32
if grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo 2>/dev/null; then fast=bf16; fi
precision=${precision:-$fast}
case $precision in fp32 | bf16) ;; *) refuse 2 "no such precision: $precision" "fp32 or bf16" ;; esac
if [ "$precision" = bf16 ] && [ "$fast" = fp32 ]; then
  refuse 2 "this processor does not multiply bf16: a step would take many times as long as in fp32" "give fp32"
fi
for program in bin/anemll_train_v1 bench/gemm_bench; do
  [ -x "$build/$program" ] || refuse 2 "$build has no $program" "bash launch/build.sh release, and give build/release"
done
[ -f "$model/config.json" ] || refuse 3 "$model has no config.json" "both sides read a Hugging Face folder"
[ -f "$cache/index.json" ] || refuse 3 "$cache is no KD cache folder" "anemll_cache import makes one of other kinds"
length=$(grep -oE '"length": *[0-9]+' "$cache/index.json" | sed -n '1s/.*[: ]//p' || true)
[ -n "$length" ] || refuse 3 "$cache/index.json names no length" "anemll_cache verify tells what is wrong"
command -v "$python" >/dev/null || refuse 2 "there is no $python" "PYTHON names an interpreter"
"$python" -c 'import torch, transformers' 2>/dev/null ||
  refuse 2 "$python has no torch or no transformers" "a virtual environment with: pip install torch transformers; PYTHON names its interpreter"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
median() { sort -g | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }

ours() {
  rm -rf "$out/run"
  OMP_NUM_THREADS=$threads "$build/bin/anemll_train_v1" --model-id "$model" --kd-cache-dir "$cache" --output-dir "$out/run" \
    --train-weights --quantize-attn --lut-size 4 --attn-lut-size 16 --scale-rank 32 --attn-scale-rank 8 \
    --max-steps $((warmup + steps)) --batch-size "$batch" --eval-samples 0 --logging-steps 1 --precision "$precision" \
    --threads "$threads" >"$out/log" 2>&1 || { cat "$out/log" >&2; return 1; }
  grep '"kind": *"train"' "$out/run/metrics.jsonl" | sed -n 's/.*"tokens_per_s": *\([0-9.e+]*\).*/\1/p' |
    tail -n +$((warmup + 1)) | median
}
theirs() {
  OMP_NUM_THREADS=$threads "$python" "$here/full_weight_step.py" "$model" "$batch" "$length" "$precision" "$threads" \
    "$steps" "$warmup" >"$out/peer.json" || return 1
  sed -n 's/.*"tokens_per_s": *\([0-9.e+]*\).*/\1/p' "$out/peer.json"
}

gemm=$("$build/bench/gemm_bench" "$threads")
processor=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
rows='' ratios=''
for ((pair = 1; pair <= pairs; pair++)); do
  if ((pair % 2)); then
    a=$(ours)
    b=$(theirs)
  else
    b=$(theirs)
    a=$(ours)
  fi
  if [ -z "$a" ] || [ -z "$b" ]; then refuse 3 "a side told no rate: '$a' and '$b'" "anemll_train_v1 logs tokens_per_s in metrics.jsonl"; fi
  ratio=$(awk -v a="$a" -v b="$b" 'BEGIN {printf "%.3f", a / b}')
  printf 'pair %d of %d: ours %.1f, PyTorch %.1f tokens/s, ratio %s\n' "$pair" "$pairs" "$a" "$b" "$ratio" >&2
  rows+=$(printf '%s{"ours": %.1f, "pytorch": %.1f, "ratio": %s}' "${rows:+, }" "$a" "$b" "$ratio")
  ratios+=$ratio$'\n'
done
printf '{"processor": "%s", "cores": %d, "threads": %d, "precision": "%s", "batch": %d, "length": %d, "gemm": %s, "peer": %s, "pairs": [%s], "median_ratio": %s}\n' \
  "$processor" "$(getconf _NPROCESSORS_ONLN)" "$threads" "$precision" "$batch" "$length" "$gemm" "$(<"$out/peer.json")" "$rows" \
  "$(printf '%s' "$ratios" | median)"
