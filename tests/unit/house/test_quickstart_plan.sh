#!/usr/bin/env bash
# How large a quick start fits a machine: launch/quickstart_plan.sh, with the speeds of machines of several kinds.
set -uo pipefail
. "$(cd "$(dirname "$0")/../../.." && pwd)/launch/quickstart_plan.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
expect() { # WHAT GOT WANTED
  [ "$2" = "$3" ] || { echo "$1: '$2', not '$3'"; failures=$((failures + 1)); }
}

# start of the teacher, one sequence, training without steps, one step, snap
readonly fast="5 0.1 40 2 15" old="10 1 90 25 60" middle="6 0.4 60 8 30"
expect "a fast machine does the most" "$(quickstart_size 600 "$fast")" "60 250"
expect "an old busy one does the least" "$(quickstart_size 600 "$old")" "30 100"
read -r steps sequences < <(quickstart_size 480 "$middle")
[ "$steps" -gt 30 ] && [ "$steps" -lt 60 ] && [ "$sequences" -gt 100 ] && [ "$sequences" -lt 250 ] ||
  { echo "in between: $steps $sequences"; failures=$((failures + 1)); }
[ "$(quickstart_seconds "$steps" "$sequences" "$middle")" -le 481 ] || { echo "longer than asked for"; failures=$((failures + 1)); }
expect "one second each way" "$(quickstart_size 1 "$fast")" "30 100"
expect "the sum" "$(quickstart_seconds 30 100 "$old")" $((10 + 120 + 90 + 750 + 60))

printf '%s\n' '{"kind":"eval","step":0,"loss":9,"text_kl_mean":7.5,"elapsed_s":0}' \
  '{"kind":"train","step":1,"elapsed_s":9.5,"skipped":false}' '{"kind":"train","step":2,"elapsed_s":11.5,"skipped":false}' \
  '{"kind":"train","step":3,"elapsed_s":14.5,"skipped":false}' \
  '{"kind":"eval","step":3,"loss":1,"text_kl_mean":1.25,"elapsed_s":14.5}' >"$work/metrics"
expect "a step, without the first" "$(quickstart_step_seconds "$work/metrics")" 2.500
head -n 2 "$work/metrics" >"$work/one"
quickstart_step_seconds "$work/one" && { echo "one step is no measurement"; failures=$((failures + 1)); }

printf '%s\n' '[13:01:34 +3.4s] tokenising: 0/100 sequences' '[13:01:40 +9.6s] teacher pass: 0/48 sequences' \
  '[13:02:02 +32.1s] teacher pass: 32/48 sequences, 1.42 sequences/s' '[13:02:10 +41.6s] teacher pass: 48/48 sequences in 32s' >"$work/log"
expect "the teacher's rate" "$(quickstart_teacher_seconds "$work/log")" "32.000 48"
quickstart_teacher_seconds "$work/metrics" && { echo "no teacher pass, and yet a rate"; failures=$((failures + 1)); }

quickstart_verdict "$work/metrics" text_kl_mean 2.5 KL >/dev/null || { echo "a good run is refused"; failures=$((failures + 1)); }
quickstart_verdict "$work/metrics" text_kl_mean 1.2 KL >/dev/null && { echo "over the limit, and accepted"; failures=$((failures + 1)); }
sed 's/1\.25/3.9/' "$work/metrics" >"$work/weak"
quickstart_verdict "$work/weak" text_kl_mean 5 KL >/dev/null && { echo "over half of the start, and accepted"; failures=$((failures + 1)); }
quickstart_verdict "$work/one" text_kl_mean 5 KL >/dev/null && { echo "one evaluation is enough"; failures=$((failures + 1)); }
expect "a clock" "$(quickstart_clock 59) $(quickstart_clock 250)" "59 s 4 min 10 s"

[ "$failures" -eq 0 ] && echo "every size and verdict is right"
exit $((failures > 0))
