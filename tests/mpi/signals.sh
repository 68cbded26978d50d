#!/usr/bin/env bash
# USR1 and TERM reach the ranks, which get the time to save; launch/mpirun.sh then returns their 75.
# usage: signals.sh SOURCE_DIR PROGRAM
set -uo pipefail
source_dir=$1
program=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Starts COMMAND -np 2 PROGRAM, sends the signals, checks that both ranks saved and what came back.
run_and_signal() { # NAME SAVE_SECONDS EXIT_CODE "SIGNALS" COMMAND...
  local name=$1 save_seconds=$2 expected=$3 signals=$4 folder=$work/$1 code=0 signal
  shift 4
  mkdir "$folder"
  "$@" -np 2 "$program" "$folder" "$save_seconds" 2>"$folder/stderr" &
  local job=$!
  for _ in $(seq 400); do
    [ -e "$folder/ready" ] && break
    sleep 0.05
  done
  [ -e "$folder/ready" ] || fail "$name: the ranks did not start: $(cat "$folder/stderr")"
  for signal in $signals; do
    kill -s "$signal" $job
    sleep 0.3
  done
  wait $job || code=$?
  [ -e "$folder/saved.0" ] && [ -e "$folder/saved.1" ] || fail "$name: a rank did not save: $(cat "$folder/stderr")"
  [ $code -eq "$expected" ] || fail "$name: exit code $code, not $expected: $(cat "$folder/stderr")"
}

# mpirun itself, with a delay between TERM and KILL; it returns 1 on TERM whatever the ranks return.
plain_mpirun() {
  . "$source_dir/launch/env.sh"
  [ "$OMPI_MCA_odls_base_sigkill_timeout" -ge 5 ] || fail "env.sh leaves too little time to save"
  export OMPI_MCA_odls_base_sigkill_timeout=2
  exec mpirun "$@"
}

unset OMPI_MCA_odls_base_sigkill_timeout
script=$source_dir/launch/mpirun.sh
# All at once, to wait once. Saving takes longer than the second that mpirun leaves by default.
run_and_signal usr1 1.5 75 USR1 "$script" & jobs="$!"
run_and_signal term 1.5 75 TERM "$script" & jobs+=" $!"
run_and_signal term_again 1.5 75 "TERM TERM USR1" "$script" & jobs+=" $!"
run_and_signal plain_term 1.5 1 TERM plain_mpirun & jobs+=" $!"
result=0
for job in $jobs; do wait "$job" || result=1; done
[ $result -eq 0 ] && echo "signals reach the ranks, which save and leave with 75"
exit $result
