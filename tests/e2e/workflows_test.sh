#!/usr/bin/env bash
# launch/workflow_*.sh and launch/run_v2_training.sh with the real programs on the nano model. ANEMLL_BIN is their folder.
# Stages of each workflow are killed once with all of their processes; its file is that of an uninterrupted run.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${ANEMLL_BIN:?the folder of the built programs}
. "$root/tests/support/script_checks.sh"

nano=$root/tests/golden/nano
text=$root/tests/golden/datasets/alpaca_40.json
arguments=(--dataset-format alpaca_chat --sequences 24 --length 16 --topk 8 --holdout 0.3 --ranks 2
  --config-file "$root/configs/smoke_cpu.ini" -- --max-steps 6 --warmup-steps 1 --state-steps 1 --eval-steps 3 --eval-samples 8)
workflow() { # LETTER OUT [WORD...]
  output=$(bash "$root/launch/workflow_$1.sh" "$nano" "$text" "$2" "${@:3}" 2>&1)
  code=$?
}

# The plans, also of programs that are not there.
for letter in a b c; do
  ANEMLL_BIN=$work/none workflow $letter plan --dry-run "${arguments[@]}"
  expect "the plan of $letter" "$code" 0
  case $letter in a) stages="cache v1 v2 snap" ;; b) stages="cache v2 snap" ;; c) stages="cache q4 convert q2 snap" ;; esac
  expect "the stages of $letter" "$(sed -n 's/^== \([a-z0-9]*\): .*/\1/p' <<<"$output" | tr '\n' ' ')" "$stages "
  expect "an estimate each of $letter" "$(grep -c '   estimate  about .* on each rank' <<<"$output")" "$(wc -w <<<"$stages")"
done
output=$(bash "$root/launch/workflow_b.sh" "$nano" "$nano/cache" plan --dry-run 2>&1)
expect "the plan of a cache" "$? $(grep -c '   estimate  about .* on each rank' <<<"$output")" "0 3"
says "the plan of a cache" "anemll_cache import"
[ ! -e plan ] || fail "a plan left a folder"
mkdir some
for program in train precompute cache snap report; do ln -s "$bin/anemll_$program" some; done
ANEMLL_BIN=$work/some workflow a lacking "${arguments[@]}"
expect "a program that is not built" "$code" 2
says "a program that is not built" "has no anemll_train_v1"
workflow b bad --sequences none
expect "a bad number" "$code" 2
output=$(bash "$root/launch/workflow_b.sh" "$work/no_model" "$text" bad 2>&1)
expect "no such model" $? 3
says "no such model" "hint:"
output=$(bash "$root/launch/workflow_b.sh" "$nano/cache" "$nano" bad 2>&1)
expect "the cache in the place of the model" $? 3
says "the cache in the place of the model" "MODEL comes first"
[ ! -e bad ] || fail "a bad command left a folder"
output=$(bash "$root/launch/workflow_b.sh" "$nano" "$nano/cache" plan --dry-run --holdout 0.2 2>&1)
expect "an option of texts with a cache" $? 0
says "an option of texts with a cache" "--holdout 0.2 has no effect"

# V1 has settings of its own.
cat >v1.ini <<'SETTINGS'
quantize-attn = true
lut-size = 4
attn-lut-size = 16
scale-rank = 32
attn-scale-rank = 8
group-size = 2
max-steps = 6
batch-size = 8
lr = 1e-4
no-full-logits = true
precision = fp32
threads = 1
eval-steps = 3
eval-samples = 8
state-steps = 1
SETTINGS
output=$(bash "$root/launch/workflow_b.sh" "$nano" "$text" bad --v1-config-file v1.ini 2>&1)
expect "another workflow's option" $? 2
output=$(bash "$root/launch/workflow_b.sh" "$nano" "$text" bad --steps 3 -- --max-steps 5 2>&1)
expect "steps twice" $? 2
says "steps twice" "give one of them"
output=$(bash "$root/launch/workflow_a.sh" "$nano" "$text" plan --dry-run --v1-config-file v1.ini --config-file "$root/configs/smoke_cpu.ini" --steps 7 2>&1)
expect "steps of two trainings" "$(sed -n 's/.*anemll_train.*--max-steps \([0-9]*\).*/\1/p' <<<"$output")" 7
expect "typed steps win over the file's, V1 keeps those of its own" "$(grep -c -- '--max-steps' <<<"$output")" 1
printf 'lut_size = 8\nbatch-size = 4\n' >part.ini
output=$(bash "$root/launch/workflow_a.sh" "$nano" "$text" plan --dry-run --v1-config-file part.ini --v1-steps 9 2>&1)
expect "shapes that the file does not name are q2a4's, and no period is longer than the run" \
  "$(sed -n 's/.*anemll_train_v1.* \(--quantize-attn.*--state-steps [0-9]*\).*/\1/p' <<<"$output")" \
  "--quantize-attn --attn-lut-size 16 --scale-rank 32 --attn-scale-rank 8 --max-steps 9 --state-steps 9"

workflow b whole "${arguments[@]}"
expect "workflow b" "$code" 0
for file in whole/report.html whole/report.md whole/report.json whole/snap/model_state_dict.pt; do [ -s $file ] || fail "no $file"; done
grep -qE '"holdout_kl_mean": [0-9.]+' whole/report.json || fail "report.json has no KL of held-out documents"
grep -qE '^\| v2 \| [0-9.e-]+ -> [0-9.e-]+ \| [0-9.e-]+ -> [0-9.e-]+ \| [0-9.e-]+ -> [0-9.e-]+ \|' whole/report.md || fail "report.md has no losses"
grep -qE '^\| raw \| [0-9]\.[0-9]{6} \| [0-9.e-]{1,8} \| [0-9.e-]{1,9} \|' whole/report.md || fail "report.md has other figures than people read"
grep -q '^Verified: yes' whole/report.md || fail "report.md does not say that the file was verified"
grep -q "sha256 .$(sha256sum whole/snap/model_state_dict.pt | cut -c1-64)" whole/report.md || fail "report.md has not the hash of the file"
output=$("$bin/anemll_watch" whole) # it ends by itself
expect "a look at the finished one" "$? $(grep -cE '^(recipe +whole|run +whole/v2): complete$' <<<"$output")" "0 2"
workflow b whole "${arguments[@]}"
expect "a finished one" "$code $(grep -c 'done already, unchanged' <<<"$output")" "0 3"
workflow b whole "${arguments[@]}" --no-such-option
expect "an option that no program has" "$code $(ls -d whole/earlier-* 2>/dev/null)" "2 "
says "an option that no program has" "unknown option '--no-such-option'"
workflow b whole "${arguments[@]}"
expect "it cost no result" "$code $(grep -c 'done already, unchanged' <<<"$output")" "0 3"

# family PID: it and all that it started.
family() {
  local child
  echo "$1"
  for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do family "$child"; done
}
# killed_at LETTER OUT FILE: the workflow is killed, whole, when the file is there.
killed_at() {
  bash "$root/launch/workflow_$1.sh" "$nano" "$text" "$2" "${arguments[@]}" >>cut.log 2>&1 &
  local script=$!
  for _ in {1..6000}; do
    if compgen -G "$3" >/dev/null || ! kill -0 $script 2>/dev/null; then break; fi
    sleep 0.01
  done
  compgen -G "$3" >/dev/null || fail "no $3 came: $(tail -n 20 cut.log)"
  # shellcheck disable=SC2046  # one word each
  kill -KILL $(family $script) 2>/dev/null
  wait $script 2>/dev/null
}
{
  killed_at b cut cut/cache.precompute
  killed_at b cut "cut/v2/state/step_*"
  killed_at b cut cut/snap
} 2>killed.log # bash tells of what was killed
grep -v Killed killed.log
workflow b cut "${arguments[@]}"
expect "after three kills" "$code" 0
cmp whole/snap/model_state_dict.pt cut/snap/model_state_dict.pt || fail "another file after three kills"

# Workflows A and C: what V1 or 4 bits made is what V2 starts from. The cache is that of B.
mv whole/cache kd
text=kd
arguments=("--v1-config-file" v1.ini "${arguments[@]}")
for letter in a c; do
  [ $letter = a ] || arguments=("${arguments[@]:2}")
  workflow $letter whole_$letter "${arguments[@]}"
  expect "workflow $letter" "$code" 0
  for file in report.html report.md report.json snap/model_state_dict.pt; do [ -s "whole_$letter/$file" ] || fail "no whole_$letter/$file"; done
  grep -q '^Verified: yes' "whole_$letter/report.md" || fail "workflow $letter: the file was not verified"
  grep -qE '"holdout_kl_mean": [0-9.]+' "whole_$letter/report.json" || fail "workflow $letter: no KL of held-out documents"
  case $letter in
    a) trainings="v1 v2" at=("v1/state/step_*" v1/indices.pt "v2/state/step_*") ;;
    c) trainings="q4 q2" at=("q4/state/step_*" q2_init "q2/state/step_*") ;;
  esac
  for name in $trainings; do
    grep -qE "^\| $name \| [0-9.e-]+ -> [0-9.e-]+ \|" "whole_$letter/report.md" || fail "workflow $letter: no losses of $name"
  done
  { for file in "${at[@]}"; do killed_at $letter "cut_$letter" "cut_$letter/$file"; done; } 2>killed.log
  grep -v Killed killed.log
  workflow $letter "cut_$letter" "${arguments[@]}"
  expect "workflow $letter after its kills" "$code" 0
  cmp "whole_$letter/snap/model_state_dict.pt" "cut_$letter/snap/model_state_dict.pt" || fail "workflow $letter: another file after its kills"
done
[ -s whole_a/v2/v2_initial.pt ] || fail "workflow a: the converted start is not there"
mv kd whole/cache
text=$root/tests/golden/datasets/alpaca_40.json

# Fewer steps: only what hangs on them.
workflow b whole "${arguments[@]/#6/5}"
expect "other steps" "$code" 0
says "other steps" "== cache: done already, unchanged"
says "other steps" "an earlier v2 is now in whole/earlier-1"
cmp -s whole/snap/model_state_dict.pt cut/snap/model_state_dict.pt && fail "the same file after fewer steps"

# Pull, train, save.
export ANEMLL_DRIVE=$work/drive CACHE_NAME=nano MODEL_ID=$nano OUTPUT_DIR=runs/out BATCH_SIZE=4 MAX_STEPS=3 LR=1e-3 SAVE_NAME=first
mkdir -p drive/qwen3_caches
tar -czf drive/qwen3_caches/nano.tgz -C "$nano/.." --transform 's|^nano/cache|nano|' nano/cache
training() { output=$(bash "$root/launch/run_v2_training.sh" "$@" --config-file "$root/configs/smoke_cpu.ini" --warmup-steps 1 --eval-samples 8 2>&1); code=$?; }
training --dry-run
expect "the plan of a training" "$code $(ls runs 2>/dev/null)" "0 "
training
expect "a training" "$code" 0
[ -s runs/out/best_state_dict.pt ] || fail "no checkpoint"
expect "it is on the drive" "$(tar -xOzf drive/qwen3_runs/first.tgz first/best_state_dict.pt | sha256sum)" "$(sha256sum <runs/out/best_state_dict.pt)"
training
expect "again" "$code $(grep -c 'done already' <<<"$output")" "0 3"
MAX_STEPS=many training
expect "steps that are no number" "$code $(ls -d runs/out.stages/earlier-* 2>/dev/null)" "2 "

[ "$failures" -eq 0 ] && echo "workflows end in a verified file"
exit $((failures > 0))
