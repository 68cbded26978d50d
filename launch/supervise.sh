#!/usr/bin/env bash
# Starts COMMAND again when it was stopped or has lost a rank, as long as that makes progress.
#
#   launch/supervise.sh [options] -- COMMAND [ARGUMENT...]
#   launch/supervise.sh -- launch/mpirun.sh -np 4 anemll_train ... --output-dir run --resume auto
#
# COMMAND starts again when it ends with 75 (saved, run me again) or with 4 (a rank, a host or the network was lost).
# Every other exit code is the script's. A start has made progress when the newest saved state is of a later step.
#
#   --watch DIR        the output folder whose states count (default: --output-dir of COMMAND)
#   --retries N        starts in a row without progress after which it gives up (default 3)
#   --backoff S        seconds to wait after a 4. They double for every start without progress (default 10)
#   --backoff-max S    the longest wait (default 600)
#   --elastic          a host that was lost in two ends is left out: --hostfile and -np of COMMAND become smaller
#   --on-finish CMD    a shell command that runs once at the end, whatever the end. It has SUPERVISE_EXIT_CODE,
#                      SUPERVISE_STEP (of the newest state), SUPERVISE_STEPS (gained) and SUPERVISE_OUTPUT_DIR
#
# TERM, HUP, XCPU, USR1 and INT are passed on to COMMAND, and then nothing starts again: the exit code is 75.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/states.sh"
. "$here/hears.sh"

usage() { sed -n '2,/^[^#]/{/^[^#]/d; s/^# \{0,1\}//; p;}' "$0"; }
say() { printf '%s\n' "$@" >&2 || true; }
refuse() { say "error: $1" "  hint: ${2:-launch/supervise.sh --help lists the options}"; exit 2; }
whole() { [[ $2 =~ ^[0-9]{1,9}$ ]] || refuse "$1 $2 is no whole number"; }

watch='' retries=3 backoff=10 backoff_max=600 elastic='' on_finish=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --elastic) elastic=yes && shift && continue ;;
    --) break ;;
    --watch | --retries | --backoff | --backoff-max | --on-finish) [ $# -ge 2 ] || refuse "$1 has no value" ;;
    *) refuse "there is no option $1" "options of the script stand before --, the command behind it" ;;
  esac
  case $1 in
    --watch) watch=$2 ;;
    --retries) whole "$1" "$2" && retries=$((10#$2)) ;;
    --backoff) whole "$1" "$2" && backoff=$((10#$2)) ;;
    --backoff-max) whole "$1" "$2" && backoff_max=$((10#$2)) ;;
    --on-finish) on_finish=$2 ;;
  esac
  shift 2
done
[ $# -ge 2 ] || refuse "no command" "give it behind --: launch/supervise.sh -- COMMAND ..."
shift
command=("$@")
[ "$retries" -gt 0 ] || refuse "--retries is 0" "1 gives up at the first start without progress"
[ -n "$watch" ] || watch=$(word_after --output-dir "$@")
watch=${watch:-${ANEMLL_OUTPUT_DIR:-}}
[ -n "$watch" ] || refuse "the output folder is not known: COMMAND has no --output-dir" "name it by --watch DIR"
for word in "$@"; do
  case ${word##*/} in
    # Without it the second start would move the first one's work aside and begin anew.
    anemll_train | anemll_train_v1) resumes "$@" || refuse "${word##*/} would not go on when it starts again" "add --resume auto to it" ;;
  esac
done

# --elastic changes two words of the command.
np_at='' hostfile_at='' hosts=''
for ((i = 1; i < $#; i++)); do # each is the word before its value
  case ${command[i - 1]} in
    -np | --np) np_at=${np_at:-$i} ;;
    -hostfile | --hostfile | -machinefile | --machinefile) hostfile_at=${hostfile_at:-$i} ;;
  esac
done
if [ -n "$elastic" ]; then
  if [ -z "$hostfile_at" ] || [ -z "$np_at" ]; then refuse "--elastic, but COMMAND has no -np or no --hostfile" "hosts can only be left out of a file of hosts"; fi
  hosts=${command[hostfile_at]}
  [ -r "$hosts" ] || refuse "--hostfile $hosts cannot be read" "give a file with lines HOST slots=N"
  line=$(sed 's/#.*//' "$hosts" | grep -v '^[[:space:]]*$' | grep -vE '[[:space:]]slots[[:space:]]*=[[:space:]]*[0-9]+' | head -n 1)
  [ -z "$line" ] || refuse "$hosts: a host without slots: $line" "with --elastic every line is HOST slots=N"
  whole -np "${command[np_at]}"
fi
scratch=$(mktemp -d)
# A child that a signal ends before it has become its program runs this too.
trap '[ "$BASHPID" != $$ ] || rm -rf "$scratch"' EXIT

# What COMMAND gets: once it hears. A signal that comes before is lost, or ends it at once.
child='' asked='' pause=''
pass_on() {
  for _ in {1..30}; do
    if hears "$child" "$1" || ! kill -0 "$child" 2>/dev/null; then break; fi
    sleep 0.1
  done
  kill -s "$1" "$child" 2>/dev/null || true
}
on_signal() {
  [ -n "$asked" ] || say "supervise: SIG$1 is passed on; nothing starts again"
  asked=$1
  [ -z "$child" ] || pass_on "$1" &
  [ -z "$pause" ] || kill "$pause" 2>/dev/null || true
}
# shellcheck disable=SC2064  # $name is wanted as it is now
for name in TERM HUP XCPU USR1 INT; do trap "on_signal $name" $name; done
trap '[ -z "$child" ] || kill -USR2 "$child" 2>/dev/null || true' USR2
trap '' PIPE # a reader that leaves (| head) does not end the work

# Signals to our group (Ctrl-C, timeout) reach this script only, which passes them on. Should it be killed, COMMAND
# gets TERM. Only the foreground group may read from a terminal.
tied=()
if setpriv --pdeathsig TERM true 2>/dev/null; then tied=(setpriv --pdeathsig TERM); fi
[ ! -t 0 ] || exec </dev/null
telling='rank [0-9]+ on ([^ ]+) was lost by signal|(hung|lost): rank [0-9]+ on ([^ ]+) in phase |error: host ([^ ]+) .*was lost'

run_command() { # sets code; the lines that name a lost host are in $scratch/said
  local relay='' err=2
  if [ -n "$elastic" ]; then
    exec {err}> >(trap '' INT TERM HUP XCPU USR1 USR2 && tee -p /dev/fd/3 3>&1 >&2 | grep --line-buffered -aE "$telling" >"$scratch/said")
    relay=$!
  fi
  set -m
  "${tied[@]}" "${command[@]}" <&0 2>&"$err" &
  child=$!
  set +m
  # A signal that came while there was no child is for this one.
  [ -z "$asked" ] || pass_on "$asked" &
  [ "$err" = 2 ] || exec {err}>&-
  while :; do # a trap ends the wait early
    code=0
    wait "$child" || code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  local again=0
  wait "$child" 2>/dev/null || again=$?
  [ $again -eq 127 ] || code=$again
  child=
  for _ in {1..50}; do # its last lines; somebody else may hold the pipe open
    if [ -z "$relay" ] || ! kill -0 "$relay" 2>/dev/null; then break; fi
    sleep 0.02
  done
}

short() { if [[ $1 =~ [A-Za-z] ]]; then echo "${1%%.*}"; else echo "$1"; fi; }
declare -A losses=()
# leave_out_lost: a host that was named in two ends goes. Several in one end: nobody knows which of them it was.
leave_out_lost() {
  local named host left line name np=${command[np_at]}
  mapfile -t named < <(sed -nE "s/.*($telling).*/\2\4\5/p" "$scratch/said" | while read -r name; do short "$name"; done | sort -u)
  [ ${#named[@]} -gt 0 ] || return 0
  # Who is not in the file does not count: "host (see above) was lost" names nobody.
  left=$(sed 's/#.*//' "${command[hostfile_at]}" | while read -r name _; do short "$name"; done)
  for name in "${!named[@]}"; do grep -qxF -- "$(short "${named[name]}")" <<<"$left" || unset "named[$name]"; done
  named=("${named[@]}")
  [ ${#named[@]} -gt 0 ] || return 0
  if [ ${#named[@]} -gt 1 ]; then say "supervise: several hosts were lost at once (${named[*]}): none of them is counted" && return; fi
  host=$(short "${named[0]}")
  losses[$host]=$((${losses[$host]:-0} + 1))
  [ "${losses[$host]}" -ge 2 ] || return 0
  while read -r line; do
    read -r name _ <<<"$line"
    [ "$(short "$name")" = "$host" ] || echo "$line"
  done < <(sed 's/#.*//' "${command[hostfile_at]}" | grep -v '^[[:space:]]*$') >"$scratch/hosts.new"
  left=$(sed -E 's/.*[[:space:]]slots[[:space:]]*=[[:space:]]*([0-9]+).*/\1/' "$scratch/hosts.new" | awk '{n += $1} END {print n + 0}')
  if [ "$left" -eq 0 ]; then say "supervise: $host was lost twice, and is the only host left" && return; fi
  mv "$scratch/hosts.new" "$scratch/hosts"
  command[hostfile_at]=$scratch/hosts
  command[np_at]=$((left < np ? left : np))
  losses[$host]=0 fruitless=0
  say "supervise: HOST $host IS LEFT OUT: it was lost twice. $np ranks become ${command[np_at]}, on$(awk '{printf " %s", $1}' "$scratch/hosts")" \
    "  hint: results stay the same up to rounding; $hosts itself is unchanged, the next supervise.sh takes all of it"
}

starts=0 ends='' fruitless=0 wait_s=$backoff
first=$(newest_step "$watch")
finish() { # CODE
  local last
  last=$(newest_step "$watch")
  say "supervise: $starts start$([ "$starts" -eq 1 ] || echo s) in $SECONDS s, which ended with$ends; $((last - first)) steps gained, step $last is saved in $watch"
  if [ -n "$on_finish" ]; then
    SUPERVISE_EXIT_CODE=$1 SUPERVISE_STEP=$last SUPERVISE_STEPS=$((last - first)) SUPERVISE_OUTPUT_DIR=$watch \
      bash -c "$on_finish" || say "warning: --on-finish ended with $?: $on_finish"
  fi
  exit "$1"
}

while :; do
  before=$(newest_step "$watch")
  starts=$((starts + 1))
  : >"$scratch/said"
  run_command
  ends+=" $code"
  if [ -n "$asked" ]; then
    # Ended by the very signal, before it could hear. A second Ctrl-C ends with 130 on purpose.
    if [ "$code" -eq $((128 + $(kill -l "$asked"))) ] && [ "$asked" != INT ]; then code=75; fi
    finish "$code"
  fi
  [ "$code" -eq 75 ] || [ "$code" -eq 4 ] || finish "$code"
  after=$(newest_step "$watch")
  if [ "$after" -gt "$before" ]; then
    fruitless=0 wait_s=$backoff
  else
    fruitless=$((fruitless + 1))
  fi
  [ -z "$elastic" ] || leave_out_lost
  if [ $fruitless -ge "$retries" ]; then
    say "error: $fruitless start$([ $fruitless -eq 1 ] || echo s) in a row saved no new step in $watch" \
      "  hint: its lines above say why; --save-steps or --state-steps smaller than what a start reaches; --watch if it saves elsewhere"
    finish "$code"
  fi
  if [ "$code" -eq 75 ]; then
    say "supervise: ended with 75 (saved) at step $after; starts again"
    continue
  fi
  [ "$wait_s" -le "$backoff_max" ] || wait_s=$backoff_max
  say "supervise: ended with 4 at step $after; starts again in $wait_s s"
  sleep "$wait_s" &
  pause=$!
  wait $pause
  pause=
  if [ -n "$asked" ]; then finish 75; fi
  wait_s=$((fruitless > 0 ? 2 * wait_s : backoff))
done
