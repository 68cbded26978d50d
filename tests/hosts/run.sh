#!/usr/bin/env bash
# Training on several hosts, which are made on this machine: what happens when one of them, its network, its disk or its
# clock fails. README.md says what each case is.
# usage: run.sh [CASE...]   or   run.sh --short: two hosts that train, nothing else
# ANEMLL_BIN is the folder of the programs. Exit code 0: all passed. 1: a case failed. 77: no hosts here, or every case was skipped.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
ANEMLL_BIN=$(realpath "${ANEMLL_BIN:-$root/build/ci/bin}")
export ANEMLL_BIN LC_ALL=C.UTF-8 HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
# shellcheck source=tests/hosts/hosts.sh
. "$here/hosts.sh"
# shellcheck source=tests/hosts/cases.sh
. "$here/cases.sh"
. "$root/launch/states.sh"

if [ -z "$world" ]; then
  missing=$(hosts_missing)
  [ -x "$ANEMLL_BIN/anemll_train" ] || { echo "hosts: no $ANEMLL_BIN/anemll_train" >&2; echo "hint: bash launch/build.sh ci, or set ANEMLL_BIN" >&2; exit 2; }
  if [ -n "$missing" ]; then
    echo "hosts: skipped, no hosts can be made here: $missing"
    exit 77
  fi
  for name; do
    [ "$name" = --short ] || printf '%s\n' "${cases[@]}" | grep -qx -- "$name" || {
      echo "hosts: there is no case $name" >&2
      echo "hint: the cases are ${cases[*]}" >&2
      exit 2
    }
  done
  enter_world "$here/run.sh" "$@"
  exit
fi

# The programs tell of each variable that they do not read.
export -n ANEMLL_HOSTS_WORLD ANEMLL_HOSTS_RANKS ANEMLL_HOSTS_STEPS ANEMLL_HOSTS_ENDS_S ANEMLL_HOSTS_RUNS_S
if [ "${1:-}" = --short ]; then
  hosts=2 ranks=4
  set -- train
elif [ $# -eq 0 ]; then
  set -- "${cases[@]}"
fi

table=()
passed=0 bad=0 left_out=0
for name; do
  began=$SECONDS faults=() skipped=''
  "case_$name" || [ $? -ne 127 ] || faults+=("there is no case_$name")
  drop_hosts || faults+=("processes are left")
  verdict=passed
  [ -z "$skipped" ] || verdict="skipped: $skipped"
  [ ${#faults[@]} -eq 0 ] || verdict=FAILED
  case $verdict in
    FAILED) bad=$((bad + 1)) ;;
    skipped*) left_out=$((left_out + 1)) ;;
    *) passed=$((passed + 1)) ;;
  esac
  table+=("$(printf '%-16s %-8s %4d s' "$name" "$verdict" $((SECONDS - began)))")
  for fault in "${faults[@]}"; do table+=("    $fault"); done
done
printf '\n=== %s\n' "several hosts"
printf '%s\n' "${table[@]}"
echo "$passed passed, $bad failed, $left_out skipped"
[ "$bad" -eq 0 ] || exit 1
[ "$passed" -gt 0 ] || exit 77
