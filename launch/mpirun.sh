#!/usr/bin/env bash
# mpirun with the settings of env.sh.   usage: launch/mpirun.sh -np N [mpirun options] PROGRAM [ARGUMENTS]
# TERM, INT, HUP, XCPU and USR1 make all ranks save and leave; a second INT ends the job. The exit code is the
# ranks' (75 then, also when somebody ends mpirun as well), 4 when one was lost. See README.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ $# -lt 3 ] || { [ "$1" != -np ] && [ "$1" != -n ]; }; then
  echo "usage: $0 -np N [mpirun options] PROGRAM [ARGUMENTS]" >&2
  exit 2
fi
# A shell without job control starts what it puts in the background with INT ignored, which bash cannot undo.
if [ -n "$(trap -p INT)" ] && env --default-signal=INT true 2>/dev/null; then
  exec env --default-signal=INT bash "$here/mpirun.sh" "$@"
fi
early='' # a signal that comes before there is an mpirun
trap '' USR2
# shellcheck disable=SC2064  # $name is wanted as it is now
for name in TERM HUP XCPU USR1 INT; do trap "early=$name" $name; done
ANEMLL_TERM_BECOMES_USR1=1
. "$here/env.sh"
. "$here/hears.sh"

# mpirun hands OMPI_* to other hosts by itself, these only when told. A token is a secret, and only rank 0 asks
# the hub: ranks of this host have it from the environment, no other host gets it.
forward=()
for name in $(compgen -e); do
  case $name in
    HF_HUB_DISABLE_IMPLICIT_TOKEN) forward+=(-x "$name") ;;
    *TOKEN) ;;
    ANEMLL_* | OMP_* | NCCL_* | HF_*) forward+=(-x "$name") ;;
  esac
done

# What mpirun prints goes through relays, which survive the signals of our group and a reader that leaves. They
# keep the lines that tell why a job ended.
trap '' PIPE
scratch=$(mktemp)
exec {keep}>"$scratch" {kept}<"$scratch"
rm -f "$scratch"
phase_told='lost: rank ([0-9]+) on ([^ ]+) in phase ([^,]*), step ([0-9]+)|rank ([0-9]+) on ([^ ]+) has not been heard of for [^(]*\(phase ([^,]*), step ([0-9]+)\)'
telling='noticed that process rank|\] hosts: |(^|\] )(error|stopped): |exit code 75 \(run again|Remote daemon: .* on node |Connection to .* closed|Peer host: |'$phase_told
relay() { trap '' INT TERM HUP XCPU USR1 USR2 QUIT TSTP; }
exec {out}> >(relay && exec tee -p /dev/null)
out_relay=$!
exec {err}> >(exec {out}>&- && relay && tee -p /dev/fd/3 3>&1 >&2 | grep -aE "$telling" >&"$keep")
err_relay=$!
# Only the foreground group may read from a terminal, and mpirun gets one of its own.
reader=
if [ -t 0 ]; then
  exec < <(trap '' INT TTIN && exec {out}>&- {err}>&- && exec cat 2>/dev/null)
  reader=$!
fi

# A process group of its own: signals to our group (Ctrl-C, timeout) reach this script only. Not a session of its own:
# the kernel shares cores by session first, so a busy program of the old one would get as much as all ranks together.
# Should this script be killed, mpirun gets the USR1 that it cannot send any more.
alone=()
if setpriv --pdeathsig USR1 true 2>/dev/null; then alone=(setpriv --pdeathsig USR1); fi
# A scheduler that ends a job sends TERM to everybody, and mpirun would kill ranks that are saving. It is deaf to that here,
# its ranks are not: it unblocks their signals. (An old env cannot do that.)
if env --block-signal=TERM true 2>/dev/null; then alone+=(env --block-signal=TERM); fi
set -m # job control gives what it starts a group
"${alone[@]}" mpirun "${forward[@]}" "$@" <&0 >&"$out" 2>&"$err" {out}>&- {err}>&- {keep}>&- {kept}<&- &
mpirun=$!
set +m
exec {out}>&- {err}>&-

# Its children, but for the ssh that reaches other hosts.
ranks_here() {
  local child
  for child in $(cat /proc/$mpirun/task/*/children 2>/dev/null || ps -o pid= --ppid $mpirun); do
    case $(ps -o comm= -p "$child" 2>/dev/null) in
      ssh | rsh | srun | qrsh | '') ;;
      *) printf '%s ' "$child" ;;
    esac
  done
}

ranks_hear() {
  local rank ranks
  hears $mpirun USR1 || return 1
  ranks=$(ranks_here) || return 1
  [ -n "$ranks" ] || return 1
  for rank in $ranks; do hears "$rank" USR1 || return 1; done
}

# mpirun loses a signal that comes before its ranks are there, and a rank that cannot hear it yet dies of it.
# Ranks of other hosts, and programs without a handler, are not waited for longer than a start takes.
pass_on() {
  for _ in {1..100}; do
    if ranks_hear || ! kill -0 $mpirun 2>/dev/null; then break; fi
    sleep 0.1
  done
  kill -USR1 $mpirun 2>/dev/null || true
}

say() { printf '%s\n' "$@" >&2 || true; }

asked=
ask_to_stop() { # SIGNAL
  [ -z "$asked" ] || return 0
  asked=1
  say "SIG$1: all ranks are asked to save (as USR1) and leave with 75"
  trap '' TERM HUP XCPU USR1 INT # of the group: not for the one that passes it on either
  pass_on &
  trap on_interrupt INT
}

killed=
interrupted_us=0
on_interrupt() {
  local now=${EPOCHREALTIME/[.,]/}
  if [ "$interrupted_us" -eq 0 ]; then
    interrupted_us=$now
    ask_to_stop INT
  elif [ -z "$killed" ] && [ $((now - interrupted_us)) -gt 200000 ]; then # closer ones are one keystroke
    killed=1
    # mpirun clears up when its ranks are gone; if it does not, it goes too.
    ranks=$(ranks_here || true)
    # shellcheck disable=SC2086  # one word each
    kill -KILL ${ranks:-$mpirun} 2>/dev/null || true
    (trap '' INT && sleep 3 && kill -KILL $mpirun) >/dev/null 2>&1 &
    last_resort=$!
  fi
}

for name in TERM HUP XCPU USR1; do
  # shellcheck disable=SC2064
  trap "ask_to_stop $name" $name
done
trap on_interrupt INT
trap 'kill -USR2 $mpirun 2>/dev/null || true' USR2
if [ -n "$early" ]; then ask_to_stop $early; fi

# A trap ends the wait early; the job goes on until mpirun is gone.
code=0
wait $mpirun || code=$?
while kill -0 $mpirun 2>/dev/null; do
  code=0
  wait $mpirun || code=$?
done
again=0
wait $mpirun 2>/dev/null || again=$? # the trap's status was not mpirun's
if [ $again -ne 127 ]; then code=$again; fi

if [ -n "$killed" ]; then kill "$last_resort" 2>/dev/null || true; fi
if [ -n "$reader" ]; then kill "$reader" 2>/dev/null || true; fi
for relay in $out_relay $err_relay; do # their last lines come before ours
  while kill -0 "$relay" 2>/dev/null; do sleep 0.01; done
done

lost='' said='' saved='' signal='' host='' hosts=''
declare -A phases=()
loss='process rank ([0-9]+) with PID [0-9]+ on node ([^ ]+) exited on signal ([0-9]+)( \([^)]*\))?'
said_by_us='(^|\] )error: '
saved_by_us='(^|\] )stopped: |exit code 75 \(run again' # rank 0's last words before all leave with 75
lost_host='(Remote daemon: .* on node |Connection to |Peer host: *)([^ ,]+)'
while read -r line <&"$kept"; do
  if [[ $line =~ $loss ]]; then
    lost="rank ${BASH_REMATCH[1]} on ${BASH_REMATCH[2]} was lost by signal ${BASH_REMATCH[3]}${BASH_REMATCH[4]}"
    signal=${BASH_REMATCH[3]}
  elif [[ $line =~ $phase_told ]]; then
    phases[${BASH_REMATCH[1]}${BASH_REMATCH[5]}]="${BASH_REMATCH[3]}${BASH_REMATCH[7]}, step ${BASH_REMATCH[4]}${BASH_REMATCH[8]}"
  elif [[ $line == *'] hosts: '* ]]; then
    hosts=${line#*hosts:}
  elif [[ $line =~ $lost_host ]]; then
    # mpirun's daemon knows. A rank whose peer leaves may see what only follows from that.
    if [ -z "$host" ] || [[ $line == *'Remote daemon: '* ]]; then host=${BASH_REMATCH[2]%.}; fi
  elif [[ $line =~ $said_by_us ]]; then
    said=1
  elif [[ $line =~ $saved_by_us ]]; then
    saved=1
  fi
done

if [ -n "$killed" ]; then
  say "ended by a second Ctrl-C: nothing since the last save was kept"
  exit 130
fi
if [ -n "$asked" ] && { [ "$signal" = 10 ] || [ $code -eq 138 ]; }; then
  say "stopped: before the ranks had begun" "  hint: nothing was made yet: run the same command again"
  exit 75
fi
if [ -n "$lost" ]; then
  case $signal in
    9) hint='somebody killed it, or the kernel did for lack of memory (dmesg tells)' ;;
    4 | 6 | 7 | 8 | 11) hint='a crash is a bug: please report it' ;;
    *) hint='somebody or the system ended it' ;;
  esac
  say "error: $lost" "  hint: $hint; saved states are untouched, --resume auto goes on from the last"
  exit 4
fi
case $code in
  137 | 139) lost="a rank was lost (mpirun ended with $code)" ;;
  205 | 255)
    ranks=
    if [[ -n $host && $hosts =~ \ $host\ ranks\ ([0-9 ]+)\; ]]; then
      for rank in ${BASH_REMATCH[1]}; do ranks+="${ranks:+, }$rank${phases[$rank]:+ (in phase ${phases[$rank]})}"; done
      ranks=" with rank $ranks"
    fi
    lost="host ${host:-(see above)}$ranks was lost: it is down, or the network to it is"
    ;;
  1) if [ -z "$said" ]; then lost="mpirun ended with 1, and no rank said why"; fi ;;
esac
if [ -n "$lost" ] && [ -n "$saved" ] && [ -z "$said" ]; then
  say "mpirun was ended too, or its daemon of a host, when all ranks were leaving with 75"
  exit 75
fi
if [ -n "$lost" ]; then
  say "error: $lost" "  hint: see mpirun's own words above: a host, the network or mpirun itself failed; saved states are untouched, --resume auto goes on from the last"
  exit 4
fi
exit $code
