# Sourced by recipes: a list of stages, each done once. A stage prints what it does, is skipped when its result is
# complete and unchanged, and goes on where it was killed.
#
#   . launch/stages.sh
#   stages_begin NAME FOLDER [dry]      the recipe's name, where its results lie; dry: print the plan, do nothing
#   stage NAME SAYS [--from PATH]... [--makes PATH]... [--result PATH]... [--part PATH]... [--again WORD]...
#         [--same WORD]... [--check WORD] [--ranks N] [--cost TEXT] -- PROGRAM [ARGUMENT]...
#   stages_end
#
#   --from PATH    an input: a file, a folder, or a name on the hub (then only the name counts)
#   --makes PATH   what the program makes. An earlier one of other inputs moves to FOLDER/earlier-N
#   --result PATH  of that, what later stages read. Default: all that is made
#   --part PATH    what an unfinished program leaves elsewhere
#   --again WORD   a word of the command that makes the program go on where it was stopped. Without one, what a killed
#                  program left is removed first
#   --same WORD    a word of the command that does not change the result
#   --check WORD   a word with which the program only looks at its command line. Where it refuses that, an earlier
#                  result stays where it is, as the result of its own command
#   --ranks N      the program runs under mpirun.sh on N ranks
#   --cost TEXT    estimated time and memory, for the plan
#
# FOLDER/stages holds, per stage, NAME.plan (the command and the digest of every input) and NAME.done (the digest of
# every result, seconds, starts). A stage is skipped only if all of them are as they were. The place of FOLDER, of the
# programs and the number of ranks are no part of the plan. A digest is read again only for a file whose size, time or
# number on the disk has changed. The lock of FOLDER lasts as long as any program of the recipe: after a kill of the
# script alone, the next start waits until they have saved and left.
#
# Ends the script: with the code of the stage that failed, 2 for a folder that is in use or holds something else.

stages_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$stages_here/run_child.sh"

say() { echo "$@" 2>/dev/null || true; }
# refuse CODE WHAT [HINT]: how every script here ends by itself.
refuse() {
  echo "${stages_recipe:-${0##*/}}: $2" >&2 || true
  [ $# -lt 3 ] || echo "hint: $3" >&2 || true
  stages_refused=yes
  exit "$1"
}
# The script's opening comment.
usage() { sed -n '2,/^[^#]/{/^[^#]/d; s/^# \{0,1\}//; p;}' "$0"; }

sha256_of() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi | cut -c1-64; }
bytes_of() { # PATH...: of all files in them
  local path sum=0 n
  for path in "$@"; do
    n=$(find -L "$path" -type f -exec wc -c {} + 2>/dev/null | awk '$2 != "total" {s += $1} END {printf "%.0f", s}')
    sum=$((sum + ${n:-0}))
  done
  echo "$sum"
}
spell_bytes() { awk -v b="$1" 'BEGIN {split("B KiB MiB GiB TiB", u, " "); i = 1; while (b >= 1024 && i < 5) {b /= 1024; i++}
  printf (i == 1 ? "%d %s" : "%.1f %s"), b, u[i]}'; }
spell_seconds() { awk -v s="$1" 'BEGIN {if (s < 100) printf "%d s", s; else if (s < 7200) printf "%.0f minutes", s / 60
  else printf "%.1f hours", s / 3600}'; }
# Where the programs are: $ANEMLL_BIN, else those installed with this script or the release build, else the folder of
# anemll_train on the PATH.
programs_folder() {
  local built=${stages_here%/*}/build/release/bin found
  case $stages_here in */share/anemll_train/launch) built=${stages_here%/*/*/*}/bin ;; esac
  if [ -n "${ANEMLL_BIN:-}" ]; then
    echo "${ANEMLL_BIN%/}"
  elif [ ! -x "$built/anemll_train" ] && found=$(command -v anemll_train); then
    echo "${found%/*}"
  else
    echo "$built"
  fi
}
# take_lock FILE WHAT: as long as this script or a program that it started lives.
take_lock() {
  local handle
  command -v flock >/dev/null || return 0
  exec {handle}>"$1"
  if ! flock -n "$handle"; then
    say "== waiting for the programs of an earlier start to save and leave"
    flock -w "${ANEMLL_LOCK_WAIT_S:-120}" "$handle" || refuse 2 "$2 is in use by another start" "wait for it, or end it"
  fi
}
# make_file PATH: standard input as a file that appears whole.
make_file() { cat >"$1.part.$$" && mv -f "$1.part.$$" "$1"; }

# "PATH<tab>STAMP" of every file in PATH, in the order of the names.
stamps_in() {
  { find -L "$1" -type f -exec stat -L -c $'%n\t%s %y %i' {} + 2>/dev/null ||
    find -L "$1" -type f -exec stat -L -f $'%N\t%z %Fm %i' {} +; } | LC_ALL=C sort
}

# digest_of PATH: of a file, or of all names and files of a folder; "absent". Lines "DIGEST PATH<tab>STAMP" remember.
digest_of() {
  local stamps line fresh='' known='
    function learn(line) { digest[substr(line, 66)] = substr(line, 1, 64) }
    BEGIN {
      while ((getline line <ENVIRON["digests"]) > 0) learn(line)
      count = split(ENVIRON["fresh"], lines, "\n")
      for (i = 1; i <= count; i++) learn(lines[i])
    }'
  [ -e "$1" ] || { echo absent; return 0; }
  stamps=$(stamps_in "$1")
  while IFS= read -r line; do
    [ -z "$line" ] || fresh+="$(sha256_of "${line%$'\t'*}") $line"$'\n'
  done < <(digests=$stages_digests fresh='' awk "$known"'!($0 in digest)' <<<"$stamps")
  if [ -z "$stages_dry" ] && [ -n "$fresh" ]; then printf '%s' "$fresh" >>"$stages_digests"; fi
  digests=$stages_digests fresh=$fresh place=$1 awk "$known"'{
    path = substr($0, length(ENVIRON["place"]) + 2)
    sub(/\t[^\t]*$/, "", path)
    print digest[$0] (path == "" ? "" : "  " path)
  }' <<<"$stamps" | if [ -d "$1" ]; then sha256_of; else cut -c1-64; fi
}

# A word as the plan has it: without the place of the folder.
placeless() {
  case $1 in
    "$stages_folder" | "$stages_folder"/*) echo "FOLDER${1#"$stages_folder"}" ;;
    *) echo "$1" ;;
  esac
}
# field FILE NAME: of its lines NAME=VALUE; empty where there is none.
field() { [ ! -f "$1" ] || sed -n "/^$2=/{s///p;q;}" "$1"; }
# Words as a shell reads them.
spelled() {
  local word line=
  for word in "$@"; do
    [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]] || printf -v word '%q' "$word"
    line+=${line:+ }$word
  done
  echo "$line"
}

stages_at_exit() {
  local code=$?
  [ -z "${stages_refused:-}" ] || return 0
  case $code in
    0) ;;
    75) echo "$stages_recipe: interrupted, everything is saved: the same command goes on" >&2 || true ;;
    *) echo "$stages_recipe: FAILED (exit code $code)${stages_now:+ in the stage $stages_now}; the same command goes on from there" >&2 || true ;;
  esac
}

stages_begin() { # NAME FOLDER [dry]
  stages_recipe=$1 stages_folder=$2 stages_dry=${3:-}
  stages_now='' stages_open='' stages_names=()
  stages_state=$2/stages
  stages_digests=$stages_state/digests
  trap '' PIPE # a reader that leaves (| head) does not end the work
  if [ -e "$2" ] && [ ! -d "$2" ]; then refuse 2 "$2 is no folder" "give the name of a new folder"; fi
  if [ -d "$2" ] && [ ! -d "$stages_state" ] && [ -n "$(ls -A "$2")" ]; then
    refuse 2 "$2 holds something that no recipe made" "give the name of a new folder"
  fi
  if [ -n "$stages_dry" ]; then
    say "$1: the plan, in $2. Nothing is done now"
    return 0
  fi
  mkdir -p "$stages_state" || refuse 2 "cannot make $2" "check the permissions"
  take_lock "$stages_state/lock" "$2"
  trap stages_at_exit EXIT
}

# set_aside PATH...: to the next earlier-N of the folder.
set_aside() {
  local n=1 path
  while [ -e "$stages_folder/earlier-$n" ]; do n=$((n + 1)); done
  for path in "$@"; do
    [ -e "$path" ] || continue
    mkdir -p "$stages_folder/earlier-$n"
    mv "$path" "$stages_folder/earlier-$n/"
    say "   an earlier ${path##*/} is now in $stages_folder/earlier-$n"
  done
}

# First difference between two plans, for people.
difference() { # OLD NEW
  { diff "$1" "$2" || true; } | awk '
    /^[<>] from / && !told { $1 = $2 = $NF = ""; gsub(/^ +| +$/, ""); print $0 " is another"; told = 1 }
    /^[<>] command / && !told { print "another command"; told = 1 }
    END { if (!told) print "other inputs" }'
}

# Whether the results are those that NAME.done lists; says what differs.
results_hold() { # DONE RESULT...
  local done_file=$1 path
  shift
  for path in "$@"; do
    [ -e "$path" ] || { echo "$path is gone"; return 1; }
    grep -qxF "result $(digest_of "$path") $(placeless "$path")" "$done_file" || { echo "$path was changed"; return 1; }
  done
}

# print_plan STATE SAYS COST COMMAND...: one stage of the plan.
print_plan() {
  say "== $stages_now: $2"
  say "   state     $1"
  say "   command   $(spelled "${@:4}")"
  [ -z "$3" ] || say "   estimate  $3"
}

stage() {
  local name=$1 says=$2 cost='' check='' ranks=0 path word state why began code attempts seconds
  local from=() makes=() results=() parts=() again=() same=() command=() runner=()
  shift 2
  while [ $# -gt 0 ]; do
    case $1 in
      --from) from+=("$2") ;;
      --makes) makes+=("$2") ;;
      --result) results+=("$2") ;;
      --part) parts+=("$2") ;;
      --again) again+=("$2") ;;
      --same) same+=("$2") ;;
      --check) check=$2 ;;
      --ranks) ranks=$2 ;;
      --cost) cost=$2 ;;
      --) shift; break ;;
      *) refuse 2 "stage $name: no such option $1" "launch/stages.sh lists them" ;;
    esac
    shift 2
  done
  [ ${#results[@]} -gt 0 ] || results=("${makes[@]}")
  command=("$@" "${same[@]}" "${again[@]}")
  [ "$ranks" -eq 0 ] || runner=(bash "$stages_here/mpirun.sh" -np "$ranks")
  stages_now=$name
  stages_names+=("$name")
  local plan=$stages_state/$name.plan finished=$stages_state/$name.done started=$stages_state/$name.started

  # The plan as it is now. Inputs that an open stage of a dry run will make have no digest yet.
  local now
  now=$(
    printf 'command %s' "$(spelled "${1##*/}")"
    for word in "${@:2}"; do printf ' %s' "$(spelled "$(placeless "$word")")"; done
    printf '\n'
    for path in "${from[@]}"; do printf 'from %s %s\n' "$(placeless "$path")" "$(digest_of "$path")"; done
  )
  state=new why=
  if [ -n "$stages_open" ]; then
    state=later
  elif [ -f "$plan" ]; then
    if [ "$now" != "$(<"$plan")" ]; then
      state=changed why=$(difference "$plan" <(echo "$now"))
    elif [ ! -f "$finished" ]; then
      state=stopped
    elif why=$(results_hold "$finished" "${results[@]}"); then
      state='done'
    else
      state=changed
    fi
  fi

  if [ $state = new ]; then
    for path in "${makes[@]}"; do
      [ ! -e "$path" ] || refuse 2 "$path is there, and this recipe did not make it" "move it away"
    done
  fi
  if [ -n "$stages_dry" ]; then
    case $state in
      done) print_plan "done and unchanged: is skipped" "$says" "$cost" "${runner[@]}" "${command[@]}" ;;
      stopped) print_plan "goes on where it was stopped" "$says" "$cost" "${runner[@]}" "${command[@]}" ;;
      changed) print_plan "runs anew: $why" "$says" "$cost" "${runner[@]}" "${command[@]}" ;;
      new) print_plan "runs" "$says" "$cost" "${runner[@]}" "${command[@]}" ;;
      later) print_plan "runs, if the stages before it make something new" "$says" "$cost" "${runner[@]}" "${command[@]}" ;;
    esac
    [ "$state" = 'done' ] || stages_open=yes
    return 0
  fi

  case $state in
    done)
      say "== $name: done already, unchanged"
      return 0
      ;;
    changed)
      say "== $name: $says (anew: $why)"
      # A slip of the pen must not cost a finished result.
      [ -z "$check" ] || "$@" "$check" >/dev/null || exit
      # In this order: killed here, the next start sees the same and goes on with it.
      set_aside "${makes[@]}"
      [ ${#parts[@]} -eq 0 ] || rm -rf "${parts[@]}"
      rm -f "$finished" "$started"
      ;;
    stopped)
      say "== $name: $says (going on)"
      if [ ${#again[@]} -eq 0 ] && [ ${#makes[@]} -gt 0 ]; then rm -rf "${makes[@]}"; fi
      ;;
    new)
      say "== $name: $says"
      ;;
  esac
  echo "$now" | make_file "$plan"
  attempts=$(($(field "$started" attempts) + 1))
  seconds=$(field "$started" seconds)
  seconds=${seconds:-0}
  printf 'attempts=%d\nseconds=%d\n' "$attempts" "$seconds" | make_file "$started"
  began=$SECONDS
  code=0
  stages_run "${runner[@]}" "${command[@]}" || code=$?
  seconds=$((seconds + SECONDS - began))
  printf 'attempts=%d\nseconds=%d\n' "$attempts" "$seconds" | make_file "$started"
  [ $code -eq 0 ] || exit $code
  for path in "${results[@]}"; do
    [ -e "$path" ] || refuse 3 "the stage $name ended well but left no $path" "its lines above say what it made instead"
  done
  {
    cat "$started"
    printf 'says=%s\ncommand=%s\nbytes=%s\n' "$says" "$(spelled "${runner[@]}" "${command[@]}")" "$(bytes_of "${makes[@]}")"
    for path in "${results[@]}"; do printf 'result %s %s\n' "$(digest_of "$path")" "$(placeless "$path")"; done
  } | make_file "$finished"
  rm -f "$started"
}

# The program gets TERM when this script is killed: it saves and leaves, and the lock is free.
stages_run() {
  local with=()
  if setpriv --pdeathsig TERM true 2>/dev/null; then with=(setpriv --pdeathsig TERM); fi
  run "${with[@]}" "$@"
}

# All stages are done: stages_names lists them, stages_state has their figures.
stages_end() {
  stages_now=
  [ -z "$stages_dry" ] || return 0
  say "$stages_recipe: ok"
}
