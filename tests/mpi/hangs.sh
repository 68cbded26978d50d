#!/usr/bin/env bash
# A job that stands still ends with 4, names who keeps it and leaves a dump of each rank that can write one.
# usage: hangs.sh SOURCE_DIR PROGRAM
set -uo pipefail
source_dir=$1
program=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

expect() { # NAME MODE RANK EXIT_CODE DUMPS TEXT: a rank that is stopped may write its dump when it is ended
  local code=0 text dumps at=$folder/$1 started=$SECONDS
  text=$(timeout -s KILL 60 "$source_dir/launch/mpirun.sh" -np 3 "$program" "$2" "$3" "$at" 2>&1) || code=$?
  dumps=$(find "$at" -name 'flight_*_rank?.json' 2>/dev/null | wc -l)
  # A limit of 7 s, and 30 s to name the rank.
  if [ $code -ne "$4" ] || [ "$dumps" -lt "$5" ] || ! grep -q -- "$6" <<<"$text" || [ $((SECONDS - started)) -gt 40 ]; then
    echo "FAILED: $1: exit $code (expected $4), $dumps dumps (expected $5 or more), '$6' not found, $((SECONDS - started)) s" >&2
    echo "$text" >&2
    return 1
  fi
}

jobs=""
while read -r line; do
  read -r name mode rank code dumps text <<<"$line"
  expect "$name" "$mode" "$rank" "$code" "$dumps" "$text" &
  jobs+=" $!"
done <<'CASES'
computes computes 1 4 3 error: hung: rank 1 on .* in phase rounds, step 0: no sign of life for .*, and it waits for no other rank
stopped stopped 2 4 2 error: hung: rank 2 on .* in phase rounds, step 0: not heard of for
root stopped 0 4 2 error: hung: rank 0 on .* in phase rounds, step 0: not heard of for
leaves leaves 1 4 2 error: hung: rank 1 on .* in phase rounds, step 0: it has left while others wait
works works 1 0 0 
CASES
result=0
for job in $jobs; do wait "$job" || result=1; done
exit $result
