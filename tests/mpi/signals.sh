#!/usr/bin/env bash
# What reaches the ranks under launch/mpirun.sh, from whom, and what comes back: signals to the script and to
# its process group, keys of a terminal, a reader that leaves, the script's own death.
# usage: signals.sh SOURCE_DIR PROGRAM
set -uo pipefail
source_dir=$1
program=$2
script=$source_dir/launch/mpirun.sh
. "$source_dir/launch/hears.sh"
work=$(mktemp -d)
trap '[ "$BASHPID" != $$ ] || rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

until_there() { # FILE: for a minute
  for _ in $(seq 1200); do
    [ -s "$1" ] && return
    sleep 0.05
  done
  return 1
}

# Starts COMMAND -np 2 PROGRAM in a process group of its own and waits for the ranks.
start() { # NAME SAVE_SECONDS COMMAND...
  name=$1 folder=$work/$1
  local save_seconds=$2
  shift 2
  mkdir "$folder"
  set -m
  "$@" -np 2 "$program" "$folder" "$save_seconds" >"$folder/output" 2>&1 </dev/null &
  job=$!
  set +m
  until_there "$folder/ready" || fail "$name: the ranks did not start: $(cat "$folder/output")"
}

ends_with() { # EXIT_CODE
  local code=0
  wait "$job" || code=$?
  [ $code -eq "$1" ] || fail "$name: exit code $code, not $1: $(cat "$folder/output")"
}

both_saved() {
  until_there "$folder/saved.0" && until_there "$folder/saved.1" || fail "$name: a rank did not save: $(cat "$folder/output")"
}

says() { grep -q -- "$1" "$folder/output" || fail "$name: '$1' is not in: $(cat "$folder/output")"; }

# Saving takes longer than the second that mpirun leaves by default.
signals() { # NAME TARGET SIGNALS: to the script or its group (TARGET -), in this order
  start "$1" 1.5 "$script"
  local signal
  for signal in $3; do
    kill -s "$signal" -- "$2$job"
    sleep 0.3
  done
  ends_with 75
  both_saved
}
usr2() {
  start usr2 0 "$script"
  kill -USR2 "$job"
  for _ in $(seq 400); do
    grep -q "SIGUSR2): asks for a dump, which this program has not" "$folder/output" && break
    sleep 0.05
  done
  says "SIGUSR2): asks for a dump, which this program has not"
  [ ! -e "$folder/saved.0" ] || fail "usr2: the ranks took it for a stop"
  kill -USR1 "$job"
  ends_with 75
}
acknowledged() { # while the ranks are still saving
  start acknowledged 1.5 "$script"
  kill -HUP "$job"
  for _ in $(seq 20); do
    grep -q "signal 10 (SIGUSR1): leaving" "$folder/output" && break
    sleep 0.05
  done
  says "SIGHUP: all ranks are asked to save"
  says "signal 10 (SIGUSR1): leaving at the next safe place, then exit code 75"
  ends_with 75
}
second_ctrl_c() {
  start second_ctrl_c 30 "$script"
  local began=$SECONDS
  kill -INT -- "-$job"
  sleep 0.4
  kill -INT -- "-$job"
  ends_with 130
  [ $((SECONDS - began)) -lt 15 ] || fail "second_ctrl_c: took $((SECONDS - began)) s"
  [ ! -e "$folder/saved.0" ] || fail "second_ctrl_c: the ranks were waited for"
}
# timeout(1) sends its signal to the script and to its group; INT twice within an instant is one keystroke.
timed_out() { # SIGNAL
  start "timeout_$1" 1 timeout --preserve-status -s "$1" 4 "$script"
  ends_with 75
  both_saved
}
forked() { # has the handlers of the program that made it, and loses them with its own start
  name=forked folder=$work/forked
  mkdir "$folder"
  perl -e '$SIG{TERM} = sub {}; if (!fork) { sleep 60 } else { print $$; close STDOUT; wait }' >"$folder/parent" &
  until_there "$folder/parent" || fail "forked: no process was made"
  local parent child=
  parent=$(cat "$folder/parent")
  until [ -n "$child" ]; do child=$(cat "/proc/$parent/task/$parent/children" 2>/dev/null) || break; done
  local told=no
  hears "$parent" TERM || told="the program itself does not hear"
  ! hears "${child// /}" TERM || told="what was not started yet hears"
  # shellcheck disable=SC2086  # one word each
  kill -KILL $child "$parent"
  [ "$told" = no ] || fail "forked: $told"
}
begins() { # starts its program while it is looked at: the handlers that were there before are no longer its own
  name=begins folder=$work/begins
  mkdir "$folder"
  mkfifo "$folder/go"
  # shellcheck disable=SC2016  # perl's own
  perl -e '$SIG{TERM} = sub {}; if (!fork) { open my $go, "<", $ARGV[0]; <$go>; exec "sleep", "60" } else { print $$; close STDOUT; wait }' \
    "$folder/go" >"$folder/parent" &
  until_there "$folder/parent" || fail "begins: no process was made"
  local parent child='' told=no
  parent=$(cat "$folder/parent")
  until [ -n "$child" ]; do child=$(command cat "/proc/$parent/task/$parent/children" 2>/dev/null) || break; done
  child=${child// /}
  cat() { # of a status: the program starts right behind it
    command cat "$@" || return
    case $1 in
      */status)
        if [ ! -f "$folder/gone" ]; then touch "$folder/gone" && echo >"$folder/go"; fi
        until command cat "/proc/$child/cmdline" | grep -q sleep; do sleep 0.01; done
        ;;
    esac
  }
  ! hears "$child" TERM || told="what has no handler hears"
  unset -f cat
  kill -KILL "$child" "$parent"
  [ "$told" = no ] || fail "begins: $told"
}
gone() { # a caller that ends with its first error goes on
  name=gone folder=$work/gone
  local said
  said=$(bash -euc '. "$0"; if hears 2147483647 TERM; then echo it hears; fi; echo on' "$source_dir/launch/hears.sh")
  [ "$said" = on ] || fail "gone: $said"
}
early() { # as soon as the script listens, before mpirun and the ranks do
  name=early folder=$work/early
  mkdir "$folder"
  "$script" -np 2 "$program" "$folder" 0 >"$folder/output" 2>&1 &
  job=$!
  until hears $job TERM; do sleep 0.01; done
  kill -TERM $job
  ends_with 75
}
script_killed() {
  start script_killed 0.5 "$script"
  kill -KILL "$job"
  wait "$job" 2>/dev/null
  both_saved
}
reader_leaves() {
  name=reader_leaves folder=$work/reader_leaves
  mkdir "$folder"
  mkfifo "$folder/fifo"
  "$script" -np 2 "$program" "$folder" 0 >"$folder/fifo" 2>&1 &
  job=$!
  : <"$folder/fifo"
  until_there "$folder/ready" || fail "reader_leaves: the ranks did not start"
  kill -TERM "$job"
  ends_with 75
  both_saved
}
terminal() { # Ctrl-C on a terminal, whose foreground job is the script
  name=terminal folder=$work/terminal
  mkdir "$folder"
  mkfifo "$folder/keys"
  script -qec "$script -np 2 $program $folder 1" /dev/null <"$folder/keys" >"$folder/output" 2>&1 &
  job=$!
  exec {keys}>"$folder/keys"
  until_there "$folder/ready" || fail "terminal: the ranks did not start: $(cat "$folder/output")"
  printf '\003' >&"$keys"
  ends_with 75
  both_saved
  exec {keys}>&-
}
input() {
  name=input
  [ "$(echo "to rank 0" | "$script" -np 2 cat)" = "to rank 0" ] || fail "input: stdin did not reach rank 0"
}
# mpirun itself, with a delay between TERM and KILL; it returns 1 on TERM whatever the ranks return.
plain_mpirun() {
  . "$source_dir/launch/env.sh"
  [ "$OMPI_MCA_odls_base_sigkill_timeout" -ge 5 ] || fail "env.sh leaves too little time to save"
  export OMPI_MCA_odls_base_sigkill_timeout=2
  exec mpirun "$@"
}
plain_term() {
  start plain_term 1.5 plain_mpirun
  kill -TERM "$job"
  ends_with 1
  both_saved
}
# A scheduler that ends a job sends TERM to everybody. Saving takes longer than mpirun would leave.
everybody() {
  env --block-signal=TERM true 2>/dev/null || { echo "everybody: left out, env of this system cannot block a signal"; return; }
  start everybody 2.5 "$script"
  local process
  for process in $(cat /proc/$job/task/*/children); do
    [ "$(ps -o comm= -p "$process")" != mpirun ] || kill -TERM "$process" $(cat "/proc/$process/task/"*/children)
  done
  kill -TERM "$job"
  ends_with 75
  both_saved
}
# What a stand-in for mpirun returns where it is ended all the same: what the ranks said last decides.
judged() { # EXIT_CODE_OF_MPIRUN WANTED LAST_WORDS
  name=judged
  mkdir -p "$folder"
  printf '#!/bin/sh\nprintf "%%b\\n" "$LAST_WORDS" >&2\nexit %s\n' "$1" >"$folder/mpirun"
  chmod +x "$folder/mpirun"
  PATH=$folder:$PATH LAST_WORDS=$3 "$script" -np 2 x >"$folder/output" 2>&1 &
  job=$!
  ends_with "$2"
}
last_words() {
  folder=$work/last_words
  local saved='[07:05:28 +11.3s] signal 15 (SIGTERM): state saved at step 65, exit code 75 (run again with --resume auto)'
  judged 1 75 "$saved"
  says "all ranks were leaving with 75"
  judged 205 75 "$saved\nRemote daemon: [[1,0],1] on node b"
  judged 1 75 "stopped: signal 15 (SIGTERM) while importing a KD cache"
  judged 1 1 "$saved\n[rank 1 on a] error: no space left"
  judged 3 3 "$saved"
  judged 1 4 "[07:05:28 +11.3s] signal 15 (SIGTERM): saving after this micro-step or evaluation batch, then exit code 75"
  judged 205 4 "Remote daemon: [[1,0],1] on node b"
  judged 205 4 "[0] hosts: a ranks 0 1; b ranks 2 3;\nConnection to b closed by remote host.\nRemote daemon: [[1,0],1] on node b\n  Peer host:  a"
  says "host b with rank 2, 3 was lost"
}
# A stand-in for mpirun shows what it would be told to hand to other hosts.
handed_on() {
  name=handed_on folder=$work/handed_on
  mkdir "$folder"
  printf '#!/bin/sh\necho "$@"\n' >"$folder/mpirun"
  chmod +x "$folder/mpirun"
  PATH=$folder:$PATH ANEMLL_LOG_LEVEL=info OMP_NUM_THREADS=1 OMP_PROC_BIND=false NCCL_ALGO=Ring HF_HOME=/hub HF_TOKEN=secret HF_HUB_DISABLE_IMPLICIT_TOKEN=1 \
    HUGGING_FACE_HUB_TOKEN=secret "$script" -np 2 x >"$folder/output" 2>&1 || fail "handed_on: $(cat "$folder/output")"
  for variable in ANEMLL_LOG_LEVEL OMP_NUM_THREADS OMP_PROC_BIND NCCL_ALGO NCCL_DEBUG HF_HOME HF_HUB_DISABLE_IMPLICIT_TOKEN; do
    says "-x $variable "
  done
  ! grep -q "HF_TOKEN\|HUB_TOKEN\|secret" "$folder/output" || fail "handed_on: a token leaves this host"
}

unset OMPI_MCA_odls_base_sigkill_timeout
# Some at once, to wait once.
result=0
together() {
  local jobs="" test
  for test in "$@"; do
    $test & jobs+=" $!"
  done
  for test in $jobs; do wait "$test" || result=1; done
}
usr1() { signals usr1 "" USR1; }
term() { signals term "" TERM; }
hup() { signals hup "" HUP; }
xcpu() { signals xcpu "" XCPU; }
int() { signals int "" INT; }
term_again() { signals term_again "" "TERM TERM USR1"; }
term_to_group() { signals term_to_group - TERM; }
int_to_group() { signals int_to_group - INT; }
together usr1 term hup xcpu int term_again
together term_to_group int_to_group acknowledged usr2 script_killed reader_leaves
together "timed_out TERM" "timed_out INT" early forked begins gone plain_term
together second_ctrl_c terminal input handed_on everybody last_words
[ $result -eq 0 ] && echo "signals reach the ranks, which save and leave with 75"
exit $result
