#!/usr/bin/env bash
# A job that stands still ends with 4, names who keeps it and leaves a dump of each rank that can write one. So does one
# that an error or a lost rank ends, of the ranks that it keeps waiting.
# usage: hangs.sh SOURCE_DIR PROGRAM CALIBRATE TRAIN
set -uo pipefail
source_dir=$1
program=$2
calibrate=$3
train=$4
folder=$(mktemp -d)
trap '[ "$BASHPID" != $$ ] || rm -rf "$folder"' EXIT

# NAME EXIT_CODE DUMPS TEXT DUMPS_FOLDER COMMAND...: a rank that is stopped may write its dump when it is ended.
expect() {
  local name=$1 wanted=$2 least=$3 says=$4 at=$5 code=0 text dumps started=$SECONDS
  shift 5
  text=$(timeout -s KILL 60 "$source_dir/launch/mpirun.sh" "$@" 2>&1) || code=$?
  dumps=$(find "$at" -name 'flight_*_rank?.json' 2>/dev/null | wc -l)
  # A limit of 7 s, 30 s to name the rank, and the start.
  if [ $code -ne "$wanted" ] || [ "$dumps" -lt "$least" ] || ! grep -q -- "$says" <<<"$text" || [ $((SECONDS - started)) -gt 50 ]; then
    echo "FAILED: $name: exit $code (expected $wanted), $dumps dumps (expected $least or more), '$says' not found, $((SECONDS - started)) s" >&2
    echo "$text" >&2
    return 1
  fi
}

# A program without steps whose rank 0 reads a file that never comes.
reads_for_ever() {
  mkdir "$folder/reads"
  cd "$folder/reads" || return 1
  mkfifo text.txt
  expect reads 4 2 'error: hung: rank 0 on .* in phase work.*and it waits for no other rank' flight -np 2 "$calibrate" \
    --model-id "$source_dir/tests/golden/nano" --dataset_name text.txt --output moments.h5 --work-timeout 3
}

# Training whose rank 1 is stopped between two micro-steps or in one: its step has so many that it does not end.
stops_in_a_step() {
  local out=$folder/step nano=$source_dir/tests/golden/nano
  stop_rank 1 "$out" &
  expect step 4 1 'error: hung: rank 1 on .* in phase [a-z ]*, step [0-9]*: not heard of for' "$out/flight" -np 2 "$train" \
    --v2-checkpoint "$nano/v2_q2a4_init.pt" --model-id "$nano" --cache-dir "$nano/cache" --output-dir "$out" --batch-size 4 \
    --max-steps 1 --accumulation-steps 1000000 --eval-samples 0 --precision fp32 --threads 1 --init-timeout 6 --step-timeout 5
}
stop_rank() { # RANK OUT: one second after the run has begun
  local process
  for _ in {1..200}; do
    [ ! -e "$2/training_log.csv" ] || break
    sleep 0.1
  done
  sleep 1
  for process in /proc/[0-9]*; do
    if grep -qzx "OMPI_COMM_WORLD_RANK=$1" "$process/environ" && grep -qzx -- "$2" "$process/cmdline"; then kill -STOP "${process#/proc/}"; fi
  done 2>/dev/null
}

jobs=""
while read -r line; do
  read -r name mode rank code dumps text <<<"$line"
  expect "$name" "$code" "$dumps" "$text" "$folder/$name" -np 3 "$program" "$mode" "$rank" "$folder/$name" &
  jobs+=" $!"
done <<'CASES'
computes computes 1 4 3 error: hung: rank 1 on .* in phase rounds, step 0: no sign of life for .*, and it waits for no other rank
stopped stopped 2 4 2 error: hung: rank 2 on .* in phase rounds, step 0: not heard of for
root stopped 0 4 2 error: hung: rank 0 on .* in phase rounds, step 0: not heard of for
leaves leaves 1 4 2 error: hung: rank 1 on .* in phase rounds, step 0: it has left while others wait
works works 1 0 0 
before before 1 4 0 error: rank 0 on .* has waited for .* in the start of the watchdog: another rank does not come
fails fails 1 5 3 hint: lower --lr; what each rank did last is told in
killed killed 1 4 2 dumps of the ranks: 
CASES
stops_in_a_step &
jobs+=" $!"
(reads_for_ever) &
jobs+=" $!"
result=0
for job in $jobs; do wait "$job" || result=1; done
exit $result
