#!/usr/bin/env bash
# Kills the programs at seeded moments, goes on, and compares the end with that of a run that nobody disturbed.
#
#   tests/chaos/chaos.sh [--seed N] [--kills N] [--only NAME|INDEX] [--from INDEX] [--keep FOLDER] [--list]
#   tests/chaos/chaos.sh --faults [--seed N] [--only NAME] [--from NAME] [--every N] [--keep FOLDER] [--list]
#
#   --seed N     of every kill (1). A kill is a function of the seed and its index, and of nothing else
#   --kills N    how many (8)
#   --only X     one kill by its index, or those of one program; with --faults those whose name begins so
#   --from X     goes on with the kill or the fault of this name: one that broke off
#   --keep DIR   works in DIR and leaves it there; else in a temporary folder that is removed
#   --list       says what would be done
#   --faults     file systems that fail instead of kills: README.md beside this file
#   --every N    with --faults: every N-th write point (1: all of them)
# ANEMLL_BIN is the folder of the programs (build/release/bin).
# Exit codes: 0 all equal, 1 something was not as it should be, 2 usage or no python3.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case " $* " in *" --help "* | *" -h "*) sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
command -v python3 >/dev/null || { printf '%s\n' "error: there is no python3" "  hint: bash .ci/setup installs what checks need" >&2; exit 2; }
export ANEMLL_BIN=${ANEMLL_BIN:-$here/../../build/release/bin}
[ -x "$ANEMLL_BIN/anemll_train" ] || { printf '%s\n' "error: no programs in $ANEMLL_BIN" "  hint: bash launch/build.sh, or set ANEMLL_BIN" >&2; exit 2; }
script=kills.py
arguments=()
for word in "$@"; do
  if [ "$word" = --faults ]; then script=faults.py; else arguments+=("$word"); fi
done
export PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# shellcheck disable=SC2093  # nothing is to follow
exec python3 "$here/$script" "${arguments[@]}"
