#!/usr/bin/env bash
# launch/two_bit.sh with the real programs on the nano model: the plan, a run with bits that are allocated, the same run
# killed once in each stage that goes on where it was. ANEMLL_BIN is the folder of the programs.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/script_checks.sh"

nano=$root/tests/golden/nano
data=$root/tests/golden/datasets
mixture=$data/alpaca_40.json=alpaca_chat:0.6,$data/c4_demo.jsonl:0.4
command=(bash "$root/launch/two_bit.sh" "$nano" "$mixture")
arguments=(--gflops 20 --length 16 --holdout 0.3 --topk 8 --calibration-tokens 256 --steps 4
  -- --batch-size 8 --precision fp32 --threads 1 --state-steps 1 --eval-samples 8)
recipe() { output=$("${command[@]}" "$@" 2>&1) code=$?; } # OUT [WORD...]

output=$(bash "$root/launch/two_bit.sh" --help 2>&1)
expect "the help" $? 0
says "the help" "--time T"
says "the help" "(default 512)"
for bad in "--time soon" "--bits-target few" "--bits-target 3 --config q4a4" "--steps none" "--teacher absent"; do
  # shellcheck disable=SC2086  # words
  recipe bad $bad
  expect "$bad" "$code" 2
  says "$bad" "hint:"
done
recipe bad --score-text none.txt
expect "no such text" "$code" 3
[ ! -d bad/start ] || fail "a bad command did something"
rm -rf bad

# Sizes follow the time and the rate, also in plans of programs that are not there.
sequences_of() { # TIME GFLOPS: sets sequences
  ANEMLL_BIN=$work/none recipe plan --dry-run --time "$1" --gflops "$2" --bits-target 5
  sequences=$(($(sed -nE 's/^== ([0-9]+) tokens to calibrate on, ([0-9]+) steps of ([0-9]+) .*/\2 * \3/p' <<<"$output")))
}
sequences_of 30m 1
short=$sequences
sequences_of 2h 1
long=$sequences
sequences_of 30m 4
expect "the stages" "$(sed -n 's/^== \([a-z0-9_]*\): .*/\1/p' <<<"$output" | tr '\n' ' ')" \
  "measure cache allocate start v2 snap score samples_teacher samples_snap "
[ "$short" -gt 0 ] && [ "$long" -gt $((2 * short)) ] || fail "sizes do not follow the time: $short, $long"
[ "$sequences" = "$long" ] || fail "sizes do not follow the rate: $sequences, $long"
[ ! -e plan ] || fail "a plan left a folder"

recipe whole --bits-target 6 "${arguments[@]}"
expect "the recipe" "$code" 0
says "the recipe" "256 tokens to calibrate on, 4 steps"
for file in report.html report.md report.json score.json widths.json snap/model_state_dict.pt; do [ -s "whole/$file" ] || fail "no whole/$file"; done
for line in "## KL against bits per weight" "| Q2_K | 4.4 | 0.387 | 0.256 |" "## Layers of the start" "## Samples, greedy" "Verified: yes"; do
  grep -qF -- "$line" whole/report.md || fail "report.md: no '$line'"
done
grep -qE '^\| 1 \|( [0-9.e-]+ \|){8}$' whole/report.md || fail "report.md has no errors of the second block"
grep -qE '^\| What is the capital of France\? \| .+ \| .+ \|$' whole/report.md || fail "report.md has no samples"
grep -qE '^\| snapped \| [0-9.]+ \| [0-9.e-]+ \| [0-9.]+% \|$' whole/report.md || fail "report.md has no KL of the snapped file"
recipe whole --bits-target 6 "${arguments[@]}"
expect "again" "$code $(grep -c 'done already, unchanged' <<<"$output")" "0 9"

# family PID: it and all that it started.
family() {
  local child
  echo "$1"
  for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do family "$child"; done
}
# killed_at FILE: the recipe is killed, whole, when the file is there.
killed_at() {
  "${command[@]}" cut --bits-target 6 "${arguments[@]}" >>cut.log 2>&1 &
  local script=$!
  for _ in {1..6000}; do
    if compgen -G "$1" >/dev/null || ! kill -0 $script 2>/dev/null; then break; fi
    sleep 0.01
  done
  compgen -G "$1" >/dev/null || fail "no $1 came: $(tail -n 20 cut.log)"
  # shellcheck disable=SC2046  # one word each
  kill -KILL $(family $script) 2>/dev/null
  wait $script 2>/dev/null
}
{
  for file in cut/cache.precompute cut/widths.sensitivity.json cut/start.start "cut/v2/state/step_*"; do killed_at "$file"; done
} 2>killed.log # bash tells of what was killed
grep -v Killed killed.log
recipe cut --bits-target 6 "${arguments[@]}"
expect "after four kills" "$code" 0
for file in start/v2_init.pt v2/best_state_dict.pt snap/model_state_dict.pt; do
  cmp "whole/$file" "cut/$file" || fail "another $file after the kills"
done

[ "$failures" -eq 0 ] && echo "two bits that work, in one sitting and in five"
exit $((failures > 0))
