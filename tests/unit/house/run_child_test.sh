#!/usr/bin/env bash
# A script's signals and the programs that it runs one after another: launch/run_child.sh.
set -uo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
failures=0
# shellcheck disable=SC2016 # the script's own variables
# A script of two children: the second gets SIGNAL sent to its parent, and ends a moment later with 75.
script='. "$1"/launch/run_child.sh; run true; code=0; run bash -c "trap \"exit 75\" TERM; kill -$2 \$PPID; sleep 0.3 & wait; exit 75" || code=$?; echo "$code"'
# expect WHAT GOT: the child's code came through.
expect() { [ "$2" = 75 ] || { echo "$1: '$2', not 75"; failures=$((failures + 1)); }; }
for signal in INT TERM HUP; do
  expect "$signal" "$(env --default-signal=INT bash -c "$script" - "$root" $signal 2>&1)"
  expect "$signal where INT was ignored" "$(trap '' INT; bash -c "$script" - "$root" $signal 2>&1)"
done
[ "$failures" -eq 0 ] && echo "every signal waits for the child"
exit $((failures > 0))
