#!/usr/bin/env bash
# How large a run of two bits fits a time: launch/two_bit_plan.sh, for models and machines of several kinds.
set -uo pipefail
. "$(cd "$(dirname "$0")/../../.." && pwd)/launch/two_bit_plan.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
expect() { # WHAT GOT WANTED
  [ "$2" = "$3" ] || { echo "$1: '$2', not '$3'"; failures=$((failures + 1)); }
}
expect "times" "$(for t in 90 90s 15m 1h 0h 1d ''; do seconds_of "$t"; done | tr '\n' ' ')" "90 90 900 3600 "

# As `anemll_inspect work` counts them: SmolLM2-135M, and a Qwen3 of 7 million weights.
printf '%s\n' '{"layers": 30, "attention_width": 576, "linear_weights": 106168320, "head_weights": 28311552,' \
  '"squared_inputs": 100638720, "solved_weights": 80000000000, "gflops_fp32": 200}' >"$work/smollm2"
printf '%s\n' '{"layers": 6, "attention_width": 512, "linear_weights": 5898240, "head_weights": 1048576,' \
  '"squared_inputs": 5898240, "solved_weights": 2315255810, "gflops_fp32": 78}' >"$work/teacher"
# plan MODEL SECONDS [ALLOCATES [GFLOPS]]: the plan itself stays in $work/plan.
plan() { two_bit_sizes "$work/$1" "$2" 512 "${3:-0}" "${4:-}" >"$work/plan"; }
sized() { sed -n "s/^$1=//p" "$work/plan"; }
between() { # WHAT VALUE LEAST MOST
  awk -v x="$2" -v a="$3" -v b="$4" 'BEGIN { exit !(x >= a && x <= b) }' || { echo "$1: $2 is not within $3 and $4"; failures=$((failures + 1)); }
}

for model in smollm2 teacher; do
  for seconds in 3600 36000; do
    for allocates in 0 1; do
      plan "$model" "$seconds" "$allocates"
      between "$model in $seconds s is announced with" "$(sized announced_s)" 0 "$seconds"
      expect "$model in $seconds s" "$(sized over)" no
      between "tokens of $model" "$(sized calibration_tokens)" 8192 65536
      between "steps of $model" "$(sized steps)" 20 2000
      between "a sequence for each place in a batch" "$(($(sized sequences) - $(sized steps) * $(sized batch)))" 0 65536
    done
  done
done
# Measured on one core of an AMD EPYC with 78 GFLOP/s: 1.85 s for a step of four sequences of 512 tokens. The plan must not promise more.
plan teacher 3600
steps=$(sized steps)
plan teacher 4120
between "what a step of the small model is taken to cost" "$(awk -v n=$(($(sized steps) - steps)) 'BEGIN { print 520 / n }')" 1.85 3.7

plan smollm2 60
expect "a minute is too short, and that is said" "$(sized over) $(sized steps)" "yes 20"
plan teacher 3600 0 7800
expect "a fast machine fills large batches" "$(sized steps) $(($(sized batch) > 4))" "2000 1"
plan smollm2 3600 0 100
slow=$(sized steps)
plan smollm2 3600
between "twice the rate, more than twice the steps" "$(sized steps)" $((2 * slow)) 100000

[ "$failures" -eq 0 ] && echo "every size is right"
exit $((failures > 0))
