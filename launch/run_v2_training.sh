#!/usr/bin/env bash
# Pulls a KD cache from the drive, trains V2 scales on it, saves the result to the drive.
#
#   launch/run_v2_training.sh [--dry-run] [WORD...]       words go to anemll_train as they are
#
# Variables override (NAME=VALUE launch/run_v2_training.sh):
#   CACHE_NAME     the cache, as for pull_cache.sh (default alpaca_chat_think_both_L128_K128_R1024)
#   V2_CHECKPOINT  start from this V2 checkpoint
#   V1_CHECKPOINT  start from this V1 checkpoint, converted. Default: neither, from scratch
#   MODEL_ID       the model (default Qwen/Qwen3-0.6B)
#   OUTPUT_DIR     folder of the run (default runs/v2_output); OUTPUT_DIR.stages remembers what is done
#   BATCH_SIZE     sequences of a micro-step (default 8)
#   MAX_STEPS      steps (default 1000)
#   LR             peak learning rate (default 1e-4)
#   SAVE_NAME      its name on the drive, as for save_to_drive.sh (default: the name of OUTPUT_DIR)
#   OVERWRITE      anything: another archive of that name is replaced
#   RANKS          ranks (default 1)
#   ANEMLL_DRIVE   the drive, as for pull_cache.sh
#   ANEMLL_BIN     the programs (default build/release/bin, else those on the PATH)
#
# The same command goes on where it was stopped or killed.
# Exit codes: 0 done, 2 usage or no drive, 3 data, 4 communication, 5 numbers, 75 saved: run it again.
set -euo pipefail
launch=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$launch/stages.sh"

dry='' words=()
for word in "$@"; do
  case $word in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=dry ;;
    *) words+=("$word") ;;
  esac
done
cache_name=${CACHE_NAME:-alpaca_chat_think_both_L128_K128_R1024}
cache=${ANEMLL_CACHES:-caches}/$cache_name
out=${OUTPUT_DIR:-runs/v2_output}
out=${out%/}
model=${MODEL_ID:-Qwen/Qwen3-0.6B}
save_name=${SAVE_NAME:-${out##*/}}
ranks=${RANKS:-1}
bin=$(programs_folder)
[[ $ranks =~ ^[1-9][0-9]*$ ]] || refuse 2 "RANKS=$ranks is no number of ranks" "RANKS=2"
[ -n "$dry" ] || [ -x "$bin/anemll_train" ] || refuse 2 "$bin has no anemll_train" "bash launch/build.sh release programs, or ANEMLL_BIN=FOLDER"
source=(--from-scratch) from=()
if [ -n "${V2_CHECKPOINT:-}" ] && [ -n "${V1_CHECKPOINT:-}" ]; then
  refuse 2 "V2_CHECKPOINT and V1_CHECKPOINT are both set" "set one of them"
elif [ -n "${V2_CHECKPOINT:-}" ]; then
  source=(--v2-checkpoint "$V2_CHECKPOINT") from=(--from "$V2_CHECKPOINT")
elif [ -n "${V1_CHECKPOINT:-}" ]; then
  source=(--v1-checkpoint "$V1_CHECKPOINT") from=(--from "$V1_CHECKPOINT")
fi

# A killed training goes on from its last state.
states=(--state-steps 50)
for word in "${words[@]}"; do
  case ${word//_/-} in --state-steps | --state-steps=*) states=() ;; esac
done

stages_begin run_v2_training "$out.stages" $dry
# Both scripts look for themselves whether there is something to do. Not by `run`: Ctrl-C would not reach them.
pull=(bash "$launch/pull_cache.sh" "$cache_name")
save=(bash "$launch/save_to_drive.sh" ${OVERWRITE:+--overwrite} "$out/best_state_dict.pt" "$save_name")
if [ -n "$dry" ]; then
  stages_now=pull
  print_plan "runs; does nothing where the cache is there" "the KD cache from the drive" "" "${pull[@]}"
else
  say "== pull: the KD cache from the drive"
  "${pull[@]}" || exit
fi
stage train "V2 scales on $cache" --from "$model" --from "$cache" "${from[@]}" --makes "$out" --result "$out/best_state_dict.pt" \
  --again --resume --again auto --check --print-config --ranks "$ranks" \
  -- "$bin/anemll_train" "${source[@]}" --model-id "$model" --cache-dir "$cache" --output-dir "$out" \
  --batch-size "${BATCH_SIZE:-8}" --max-steps "${MAX_STEPS:-1000}" --lr "${LR:-1e-4}" "${states[@]}" "${words[@]}"
# shellcheck disable=SC2034  # stages.sh reads it
stages_now=save
if [ -n "$dry" ]; then
  print_plan "runs; does nothing where the same archive is there" "the checkpoint to the drive" "" "${save[@]}"
else
  say "== save: the checkpoint to the drive"
  "${save[@]}" || exit
fi
stages_end
