#!/usr/bin/env bash
# How large a quick start fits a machine, and what it passes: launch/quickstart_plan.sh, with speeds of several machines.
set -uo pipefail
. "$(cd "$(dirname "$0")/../../.." && pwd)/launch/quickstart_plan.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
expect() { # WHAT GOT WANTED
  [ "$2" = "$3" ] || { echo "$1: '$2', not '$3'"; failures=$((failures + 1)); }
}
# sizes SECONDS TEACHER_START RATE FIXED STEP SNAP: "SEQUENCES STEPS OVER"; the plan itself stays in $work/plan.
sizes() {
  teacher_start_s=$2 teacher_rate=$3 train_fixed_s=$4 step_s=$5 snap_s=$6
  choose_sizes "$1" >"$work/plan"
  echo "$(field "$work/plan" sequences) $(field "$work/plan" steps) $(field "$work/plan" over)"
}

expect "a fast machine does the most" "$(sizes 600 5 10 40 2 20)" "250 60 no"
expect "an old busy one does the least, and says so" "$(sizes 600 10 1 90 25 60)" "100 30 yes"
expect "no time at all" "$(sizes 1 5 10 40 2 20)" "100 30 yes"
read -r sequences steps over < <(sizes 480 6 2.5 60 8 30)
[ "$steps" -gt 30 ] && [ "$steps" -lt 60 ] && [ "$sequences" -gt 100 ] && [ "$sequences" -lt 250 ] && [ "$over" = no ] ||
  { echo "in between: $sequences sequences, $steps steps, over $over"; failures=$((failures + 1)); }
[ "$(field "$work/plan" announced_s)" -le 480 ] || { echo "longer than asked for"; failures=$((failures + 1)); }
sizes 600 10 1 90 25 60 >/dev/null
# start, 120 sequences, all but the steps, 30 steps, the snap
expect "the sum" "$(field "$work/plan" announced_s)" $((10 + 120 + 90 + 750 + 60))
expect "no plan, no value" "$(field "$work/none" steps)" ""

printf '%s\n' '{"kind":"eval","step":0,"loss":9,"text_kl_mean":7.5,"elapsed_s":0}' '{"kind":"train","step":1,"elapsed_s":9.5}' \
  '{"kind":"eval","step":3,"loss":1,"text_kl_mean":1.25,"elapsed_s":14.5}' >"$work/metrics"
head -n 2 "$work/metrics" >"$work/one"
# passes WANTED KEY LIMIT FILE
passes() {
  local got=yes
  verdict "$work/$4" "$2" KL "$3" >/dev/null || got=no
  expect "the verdict on $4 by $2, limit $3" "$got" "$1"
}
passes yes text_kl_mean 2.5 metrics
passes yes text_kl_mean 1.25 metrics
passes no text_kl_mean 1.2 metrics
passes yes loss half metrics
sed 's/"loss":1,/"loss":4.6,/' "$work/metrics" >"$work/weak"
passes no loss half weak
passes no text_kl_mean 2.5 one
sed 's/1\.25/nan/' "$work/metrics" >"$work/lost"
passes no text_kl_mean 2.5 lost

# The measurement, on programs that say what real ones say and take no time. A clock that goes on by 20 s a look.
seconds_now() { local s; s=$(<"$work/clock"); echo $((s + 20)) | tee "$work/clock"; }
precompute() { echo '[13:49:46 +9.7s] teacher pass: 16 sequences in 8s, 2.0 sequences/s, 128 tokens/s'; }
train() {
  mkdir -p "$2"
  printf '{"kind":"train","step":%d,"elapsed_s":%s}\n' 1 9.5 2 11.5 3 14.5 >"$2/metrics.jsonl"
}
snap() {
  echo '[13:50:06 +107.0s] Scoring: 0/6 readings'
  echo '[13:50:10 +109.0s] Scoring: 2/6 readings, 1.00 readings/s, ETA 4.0s, raw'
  echo '[13:50:14 +115.0s] Scoring: 6/6 readings in 8.0s'
  echo '  KD loss over 16 sequences of the file as each consumer reads it:'
}
echo 0 >"$work/clock"
(cd "$work" && measure "$work/probe" && echo "$teacher_start_s $teacher_rate $train_fixed_s $step_s $snap_s") >"$work/speeds"
# 20 s for the snap of 16 sequences, 8 of them for scoring: 40 sequences take 12 more.
expect "start, rate, all but the steps, a step, the snap" "$(<"$work/speeds")" "12 2 12.5 2.5 32"
[ ! -e "$work/0" ] || { echo "a number went into a file"; failures=$((failures + 1)); }

[ "$failures" -eq 0 ] && echo "every size and verdict is right"
exit $((failures > 0))
