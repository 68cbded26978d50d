#!/usr/bin/env bash
# Whole training steps of the real program on idle cores and beside one busy process: one rank of two threads, two
# ranks of one and four ranks of one. Prints one JSON object: medians in tokens/s, `keeps` = busy over idle,
# `body_share_of_gemm` = 6 FLOP per body weight and token of one rank of two threads over the GEMM rate,
# `four_over_two` = four ranks over two, both idle. Every rank makes the weights of a step anew, whatever its rows: with
# the same BATCH four ranks do more work. `four_over_two_equal_rows` gives four ranks twice the BATCH, so that what is
# lost there is lost by waiting.
#
#   tests/bench/busy.sh BUILD_DIR MODEL_DIR_OR_GGUF CACHE [STEPS [BATCH]]
#
# STEPS (4) are measured in each state, alternating in one run, so that a machine that changes its pace changes both.
# Everything is fp32, so that old and new processors do the same.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }
build=$1 model=$2 cache=$3 steps=${4:-4} batch=${5:-8}
here=$(cd "$(dirname "$0")" && pwd)
steps=$(((steps + 1) / 2 * 2)) # they come in pairs
out=$(mktemp -d)
rival=
# shellcheck disable=SC2329  # called by the trap
leave() {
  if [ -n "$rival" ]; then kill -KILL "$rival" 2>/dev/null || true; fi
  rm -rf "$out"
}
trap leave EXIT

while :; do :; done &
rival=$!
disown "$rival" # or bash tells of its end
kill -STOP "$rival"

lines() { grep -c '"tokens_per_s"' "$1" 2>/dev/null || true; }

# The rate of every step, in order.
rates() { sed -n 's/.*"tokens_per_s":\([0-9.e+]*\).*/\1/p' "$1"; }
median() { sort -g | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }

# RANKS THREADS BATCH: leaves medians in NAME.idle and NAME.busy. Step 1 warms up; then idle and busy steps by pairs.
measure() {
  local run=$out/$1x$2x$3
  local metrics=$run/metrics.jsonl state=idle step seen
  OMP_NUM_THREADS=$2 bash "$here/../../launch/mpirun.sh" -np "$1" "$build/bin/anemll_train" --from-scratch \
    --model-id "$model" --cache-dir "$cache" --output-dir "$run" --group-size 16 --max-steps $((2 * steps + 1)) \
    --batch-size "$3" --eval-samples 0 --logging-steps 1 --precision fp32 --threads "$2" >"$run.log" 2>&1 &
  local job=$!
  while kill -0 $job 2>/dev/null; do
    seen=$(lines "$metrics")
    if [ $(((${seen:-0} + 1) / 2 % 2)) -eq 1 ] && [ "${seen:-0}" -ge 1 ]; then step=idle; else step=busy; fi
    if [ "${seen:-0}" -lt 1 ]; then step=idle; fi
    if [ $step != $state ]; then
      state=$step
      if [ $state = busy ]; then kill -CONT "$rival"; else kill -STOP "$rival"; fi
    fi
    sleep 0.02
  done
  kill -STOP "$rival"
  wait $job || { cat "$run.log" >&2; exit 1; }
  rates "$metrics" | awk 'NR > 1 && int(NR / 2) % 2 == 1' | median >"$run.idle"
  rates "$metrics" | awk 'NR > 1 && int(NR / 2) % 2 == 0' | median >"$run.busy"
}

for shape in "1 2 $batch" "2 1 $batch" "4 1 $batch" "4 1 $((2 * batch))"; do
  # shellcheck disable=SC2086  # three words
  measure $shape
done
gemm=$("$build/bench/gemm_bench" 2)
number() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$out/1x2x$batch/metrics.jsonl" | head -n 1; }
processor=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
r() { cat "$out/$1x$batch.$2"; }
equal_rows=$(cat "$out/4x1x$((2 * batch)).idle")
awk -v a="$(r 1x2 idle)" -v A="$(r 1x2 busy)" -v b="$(r 2x1 idle)" -v B="$(r 2x1 busy)" -v c="$(r 4x1 idle)" \
  -v C="$(r 4x1 busy)" -v body="$(number body_weights)" -v gemm="$gemm" -v processor="$processor" \
  -v cores="$(getconf _NPROCESSORS_ONLN)" -v batch="$batch" -v equal="$equal_rows" '
function part(name, idle, busy) {
  return sprintf("\"%s\": {\"idle\": %.1f, \"busy\": %.1f, \"keeps\": %.3f}", name, idle, busy, busy / idle)
}
BEGIN {
  match(gemm, "gemm_fp32_gflops\": [0-9.]+"); split(substr(gemm, RSTART, RLENGTH), words, ": ")
  printf "{\"processor\": \"%s\", \"cores\": %d, \"batch\": %d, %s, %s, %s, \"four_over_two\": %.3f, \"four_over_two_equal_rows\": %.3f, \"gemm\": %s, \"body_share_of_gemm\": %.3f}\n",
    processor, cores, batch, part("1x2", a, A), part("2x1", b, B), part("4x1", c, C), c / b, equal / b, gemm, 6 * body * a / 1e9 / words[2]
}'
