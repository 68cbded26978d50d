#!/usr/bin/env bash
# A rank that fails ends the job at once, with its exit code; an error that all ranks see is printed once. One
# that is lost is named and makes it 4.
# usage: failures.sh SOURCE_DIR PROGRAM PROGRAM_WITH_BROKEN_MPI
set -uo pipefail
source_dir=$1
program=$2
broken_mpi=$3
result=0

expect() { # PROGRAM MODE EXIT_CODE TEXT COUNT
  local program=$1
  shift
  local code=0 text count started=$SECONDS
  text=$(timeout -s KILL 30 "$source_dir/launch/mpirun.sh" -np 2 "$program" "$1" 2>&1) || code=$?
  count=$(grep -c -- "$3" <<<"$text")
  if [ $code -ne "$2" ] || [ "$count" -ne "$4" ] || [ $((SECONDS - started)) -gt 15 ]; then
    echo "FAILED: $1: exit $code (expected $2), '$3' printed $count times (expected $4), $((SECONDS - started)) s" >&2
    echo "$text" >&2
    return 1
  fi
}

jobs=""
expect_all() { while read -r mode code text; do expect "$1" "$mode" "$code" "$text" 1 & jobs+=" $!"; done; }
expect_all "$program" <<'CASES'
all 2 no such flag
root 3 truncated
one 5 the loss is NaN
foreign 1 a bug
destructor 4 ends this rank
abort 42 last words
killed 4 error: rank 1 on .* was lost by signal 9 (Killed)
segv 4 error: rank 1 on .* was lost by signal 11 (Segmentation fault)
aborted 4 error: rank 1 on .* was lost by signal 6 (Aborted)
silent 4 error: mpirun ended with 1, and no rank said why
CASES
expect_alone() { # MODE PROBLEM WHERE: without mpirun
  local code=0 text
  text=$("$broken_mpi" "$1" 2>&1) || code=$?
  if [ $code -ne 4 ] || ! grep -q "^error: $2" <<<"$text" || ! grep -q "^  where: $3" <<<"$text"; then
    echo "FAILED: MPI's $1 in one rank: exit $code, $text" >&2
    result=1
  fi
}
expect_alone init "MPI does not start" MPI_Init_thread
expect_alone threads "MPI has no support for threads" MPI_Init_thread
expect_alone host "" MPI_Comm_split_type
expect_alone dup "" MPI_Comm_dup
wait_all() {
  for job in $jobs; do wait "$job" || result=1; done
  jobs=""
}
wait_all  # not all jobs at once: each has a time limit
# MPI's first calls: what all ranks see is told once, what one sees ends the others.
expect_all "$broken_mpi" <<'CASES'
threads 4 error: MPI has no support for threads
host 4 where: MPI_Comm_split_type
dup 4 where: MPI_Comm_dup
CASES
wait_all
# A rank that stops before there is a watchdog: the other one says where it waits.
export ANEMLL_INIT_TIMEOUT=4
expect_all "$broken_mpi" <<'CASES'
stops_before 4 error: rank 0 on .* has waited for 4.* in the start of MPI: another rank does not come
stops_in_world 4 error: rank 0 on .* has waited for 4.* in the start of MPI: another rank does not come
stops_in_options 4 error: rank 0 on .* has waited for 4.* in the comparison of options: another rank does not come
stops_behind 4 error: rank 0 on .* has waited for 4.* in the start of MPI: another rank does not come
CASES
wait_all
exit $result
