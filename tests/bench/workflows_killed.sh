#!/usr/bin/env bash
# Workflows A, B and C and the recipe of two bits from text: once whole, and once with each stage killed by -9 at a random
# moment, all of its processes at once. Their final files must be equal, byte for byte. Prints the moments and one table, also as OUT/killed.md.
#
#   tests/bench/workflows_killed.sh MODEL TEXT OUT
#
# A moment lies within what the stage took in the whole run and hangs on SEED, workflow and stage only. A stage that ended
# before its moment was not killed, which counts as a failure. The same command goes on where it was killed: stages that
# are done stay, stages that were cut are not cut again.
#
# Numbers, by variable:
#   SEED 1            of the moments
#   WORKFLOWS "a b c" which ones, or "two_bit"
#   RANKS 2           ranks of every program that can have several
#   V1_STEPS 20, STEPS 20, Q4_STEPS 20              steps of the trainings
#   SEQUENCES 400, LENGTH 64, TOPK 64, HOLDOUT 0.1  the cache made of TEXT, DATASET_FORMAT plain
#   CALIBRATION_TOKENS 4096, BITS_TARGET 3.5        of two_bit
#   V1_CONFIG, CONFIG                               files with settings of anemll_train_v1 and anemll_train
#   ANEMLL_BIN        the programs (build/release/bin)
# Exit codes: 0 all equal, 1 a file differs or a stage was not killed, 2 usage, else that of a workflow.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/stages.sh"
case " $* " in *" --help "* | *" -h "*) usage; exit 0 ;; esac
[ $# -eq 3 ] || { usage >&2; exit 2; }
model=${1%/} text=$2 out=${3%/} seed=${SEED:-1}
launch=$(cd "$here/../../launch" && pwd)
steps=${STEPS:-20} state_steps=5
for number in "$seed" "$steps" "${RANKS:-2}" "${V1_STEPS:-20}" "${Q4_STEPS:-20}" "${SEQUENCES:-400}" "${LENGTH:-64}" "${TOPK:-64}"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || refuse 2 "'$number' is no whole number above 0" "tests/bench/workflows_killed.sh --help"
done
read -ra letters <<<"${WORKFLOWS:-a b c}"
# script_of NAME: a letter, or two_bit.
script_of() { if [ "$1" = two_bit ]; then echo "$launch/two_bit.sh"; else echo "$launch/workflow_$1.sh"; fi; }
for letter in "${letters[@]}"; do
  [ -f "$(script_of "$letter")" ] || refuse 2 "there is no workflow $letter" "WORKFLOWS=\"a b c\", or some of them, or two_bit"
done
[ -e "$model" ] || refuse 3 "the model $model does not exist" "a model folder or a .gguf file"
[ -e "$text" ] || refuse 3 "the text $text does not exist" "a text or a data set, see launch/workflow_b.sh --help"
[ -r "/proc/$$/task/$$/children" ] || refuse 2 "this system does not tell the children of a process" "run it on Linux"
if [ -e "$out" ] && [ ! -f "$out/moments" ]; then refuse 2 "$out is there, and this script did not make it" "give the name of a new folder"; fi
mkdir -p "$out"
touch "$out/moments" # lines "WORKFLOW STAGE SEED MS killed|missed"

# workflow LETTER FOLDER [--dry-run]
workflow() {
  local own=(--steps "$steps") last=(--state-steps "$state_steps")
  case $1 in
    a)
      own+=(--v1-steps "${V1_STEPS:-20}")
      [ -z "${V1_CONFIG:-}" ] || own+=(--v1-config-file "$V1_CONFIG")
      ;;
    c) own+=(--q4-steps "${Q4_STEPS:-20}") ;;
    two_bit) own+=(--calibration-tokens "${CALIBRATION_TOKENS:-4096}" --bits-target "${BITS_TARGET:-3.5}") ;;
  esac
  [ -z "${CONFIG:-}" ] || own+=(--config-file "$CONFIG")
  # exec: where it runs in the background, its number is the workflow's.
  exec bash "$(script_of "$1")" "$model" "$text" "$2" "${@:3}" --ranks "${RANKS:-2}" --sequences "${SEQUENCES:-400}" \
    --length "${LENGTH:-64}" --topk "${TOPK:-64}" --holdout "${HOLDOUT:-0.1}" --dataset-format "${DATASET_FORMAT:-plain}" \
    "${own[@]}" -- "${last[@]}"
}
stages_of() { (workflow "$1" "$out/whole_$1" --dry-run) | sed -n 's/^== \([a-z0-9_]*\): .*/\1/p'; }

# moment LETTER STAGE: milliseconds, from a tenth to seven tenths of what the whole run's stage took.
moment() {
  local took
  took=$(field "$out/whole_$1/stages/$2.done" seconds)
  awk -v took="${took:-0}" -v draw="$(printf '%s %s %s' "$seed" "$1" "$2" | cksum | cut -d ' ' -f 1)" 'BEGIN {
    took *= 1000; if (took < 500) took = 500
    printf "%d", took * (0.1 + 0.6 * (draw % 100000) / 100000)
  }'
}
# family PID: it and all that it started.
family() {
  local child
  echo "$1"
  for child in $(cat "/proc/$1"/task/*/children 2>/dev/null || true); do family "$child"; done
}
# This script ended in the middle: what it started saves and leaves.
script=
trap '[ -z "$script" ] || kill -TERM "$script" 2>/dev/null || true' EXIT
now_ms() { local us=${EPOCHREALTIME/[.,]/}; echo $((us / 1000)); }

# cut_stage LETTER STAGE: runs the workflow until so long after the stage's start, and kills it.
cut_stage() {
  local stages=$out/cut_$1/stages began='' wait_ms result=missed
  wait_ms=$(moment "$1" "$2")
  (workflow "$1" "$out/cut_$1") >>"$out/cut_$1.log" 2>&1 &
  script=$!
  while kill -0 $script 2>/dev/null && [ ! -f "$stages/$2.done" ]; do
    if [ -z "$began" ] && [ -f "$stages/$2.started" ]; then began=$(now_ms); fi
    if [ -n "$began" ] && [ $(($(now_ms) - began)) -ge "$wait_ms" ]; then
      result=killed
      break
    fi
    sleep 0.02
  done
  # Stopped first: none of them starts another while the list is made.
  # shellcheck disable=SC2046  # one word each
  kill -STOP $(family $script) 2>/dev/null || true
  # shellcheck disable=SC2046
  kill -KILL $(family $script) 2>/dev/null || true
  { wait $script || true; } 2>/dev/null
  script=
  [ -n "$began" ] || refuse 3 "workflow $1 never came to its stage $2" "$out/cut_$1.log tells why"
  [ ! -f "$stages/$2.done" ] || result=missed
  printf '%s %s %s %s %s\n' "$1" "$2" "$seed" "$wait_ms" "$result" >>"$out/moments"
  say "workflow $1: stage $2, $wait_ms ms after its start (SEED=$seed): $result"
}

failures=0
rows=''
for letter in "${letters[@]}"; do
  say "== workflow $letter, whole"
  (workflow "$letter" "$out/whole_$letter") >"$out/whole_$letter.log" 2>&1 ||
    refuse $? "workflow $letter failed" "$out/whole_$letter.log tells why"
  cuts=0 missed=''
  for name in $(stages_of "$letter"); do
    grep -q "^$letter $name " "$out/moments" || cut_stage "$letter" "$name"
    case $(grep "^$letter $name " "$out/moments" | tail -n 1) in
      *killed) cuts=$((cuts + 1)) ;;
      *) missed+=" $name" ;;
    esac
  done
  say "== workflow $letter, to its end"
  (workflow "$letter" "$out/cut_$letter") >>"$out/cut_$letter.log" 2>&1 ||
    refuse $? "workflow $letter failed after its kills" "$out/cut_$letter.log tells why"
  equal=yes
  cmp "$out/whole_$letter/snap/model_state_dict.pt" "$out/cut_$letter/snap/model_state_dict.pt" || equal=NO
  if [ $equal = NO ] || [ -n "$missed" ]; then failures=$((failures + 1)); fi
  [ -z "$missed" ] || say "workflow $letter: not killed:$missed. Another SEED and another OUT, or more steps"
  report=$out/cut_$letter/report.json
  # Of the last training.
  kl=$(sed -nE '/"best_evaluation"/,/^ *}/s/.*"holdout_kl_mean": *([-0-9.eE+]+).*/\1/p' "$report" | tail -n 1)
  negative=$(sed -nE 's/.*"negative_scale_share": *([-0-9.eE+]+).*/\1/p' "$report" | tail -n 1)
  gap=$(sed -nE 's/^ *"kl_to_trained": *([-0-9.eE+]+).*/\1/p' "$report" | tail -n 1) # the gate stands last
  rows+="| $letter | $cuts | ${missed:--} | $equal | ${kl:--} | ${gap:--} | ${negative:--} |"$'\n'
done
{
  # shellcheck disable=SC2016  # backticks of markdown
  printf '# Workflows, each stage killed once\n\nModel %s, %d ranks, SEED %d. Moments: the file `moments` here.\n\n' "${model##*/}" "${RANKS:-2}" "$seed"
  printf '| Workflow | Stages killed | Ended before | Final files equal | KL, held-out documents | Snapped against trained | Share of negative scales |\n'
  printf '|---|---|---|---|---|---|---|\n%s' "$rows"
  printf '\nSnapped against trained: the KL divergence from the trained model in nats per token, as the converter that the snap is verified for reads the file.\n'
} | make_file "$out/killed.md"
cat "$out/killed.md"
for letter in "${letters[@]}"; do
  printf '\nworkflow %s, the snapped file as each converter reads it:\n' "$letter"
  sed -n '/^| Converter /,/^Verified/p' "$out/cut_$letter/report.md"
done
[ "$failures" -eq 0 ] || exit 1
