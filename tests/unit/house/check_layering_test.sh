#!/usr/bin/env bash
# Every rule of check_layering.sh must be able to fail: a small tree breaks each of them once.
set -uo pipefail
support=$(cd "$(dirname "$0")/../../support" && pwd)
checker=$support/check_layering.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

write() { mkdir -p "$tree/$(dirname "$1")"; printf '%b\n' "$2" >"$tree/$1"; }

# expect RULE FILE CONTENT: with this file the rule names it. All files are judged in one run: judge.
declare -a expected=()
expect() {
  write "$2" "$3"
  expected+=("$1: $2")
}
judge() {
  local output line
  output=$(bash "$checker" "$tree") && { echo "accepted: ${expected[*]}"; failures=$((failures + 1)); }
  for line in "${expected[@]}"; do
    grep -qF -- "$line" <<<"$output" || { echo "no line '$line'; it said: $output"; failures=$((failures + 1)); }
    rm -rf "${tree:?}/${line#*: }"
  done
}

# The sources and the rooms of a small house.
house='core: # The ground.
data: core # Caches.
comm: core # Ranks.
train: data # Runs.
tools/snap: core # A program.'
write src/rooms.txt "$house"
write src/README.md '<!-- from rooms.txt: begin -->\n<!-- from rooms.txt: end -->'
for room in core data comm train; do write src/$room/CMakeLists.txt "anemll_add_library($room)"; done
for room in core data comm train tools; do write src/$room/README.md '# A room'; done
write src/tools/CMakeLists.txt '# Programs.'
for file in comm/ranks tools/snap_report; do write src/$file.cpp '// Uses core.\n#include "anemll/core/error.hpp"'; done
write src/data/cache.cpp '// Uses core.\n#include "src/core/good.hpp"'
write src/tools/anemll_snap.cpp '// A program.\n#include "src/tools/snap_report.hpp"'
write src/core/internal/hidden.hpp '// Ours.\n#pragma once'
write src/core/hidden.cpp '#include "src/core/internal/hidden.hpp"'
for test in unit/core mpi fuzz bench; do
  write tests/$test/hidden_test.cpp '// Looks inside.\n#include "src/core/internal/hidden.hpp"'
done
bash "$support/rooms_table.sh" --write "$tree" || failures=$((failures + 1))
write src/core/good.hpp '// Owns nothing.\n#pragma once\n#include "anemll/core/error.hpp"\n#include "src/core/part.hpp"'
write src/core/part.hpp '// A part of the other.\n#pragma once'
write src/train/uses.cpp '// Reads caches.\n#include "src/data/cache.hpp"\n#if NCCL_VERSION_CODE > 22800\n#endif'
write include/anemll/core/error.hpp '// Errors.\n#pragma once\n#include <string>'
write src/core/words.md 'See [the errors](../../include/anemll/core/error.hpp) and `Good::run` in\n`src/core/good.cpp`.'
write src/core/good.cpp '#include "src/core/good.hpp"\nvoid run() {\n  int x;\n}'
write src/core/code.md '<!-- from src/core/good.cpp -->\n```cpp\nvoid run() {\n  int x;\n```'
if ! output=$(bash "$checker" "$tree"); then
  echo "a clean tree is refused: $output"
  failures=$((failures + 1))
fi

expect "top level" "scripts" 'x'
expect "heavy library in a public header" include/anemll/core/t.hpp '// T.\n#pragma once\n#include <ATen/core/Tensor.h>'
expect "heavy library in a public header" include/anemll/core/m.hpp '// M.\n#pragma once\n  #  include "mpi.h"'
expect "wrong way between rooms" src/core/up.cpp '// Up.\n#include "src/train/step.hpp"'
expect "link to nowhere" src/core/link.md '[rooms](../attic/README.md#top)'
expect "path to nowhere" src/core/path.md 'See `tests/unit/attic`.'
expect "function that its file lacks" src/core/tour.md '`Good::walk` in\n`src/core/good.cpp` walks.'
expect "code that its file lacks" src/core/old.md '1. So:\n\n   <!-- from src/core/good.cpp -->\n   ```cpp\n   void run() {\n     int y;\n   ```'
expect "wrong way between rooms" src/data/side.cpp '// Side.\n#include "anemll/comm/communicator.hpp"'
expect "wrong way between rooms" src/tools/snap_more.cpp '// More.\n#include "src/data/cache.hpp"'
expect "wrong way between rooms" src/core/tool.cpp '// Tool.\n#include "src/tools/snap_report.hpp"'
expect "file of no room" src/attic/new.cpp '// New.\n#include "anemll/core/error.hpp"'
expect "file of no room" include/anemll/attic/new.hpp '// New.\n#pragma once'
expect "file of no room" src/alone.cpp '// Alone.\n#include "anemll/core/error.hpp"'
expect "file of no room" src/tools/anemll_prune.cpp '// A program without a line.'
expect "internal header of another room" src/data/peeks.cpp '// Peeks.\n#include "src/core/internal/hidden.hpp"'
expect "internal header of another room" include/anemll/core/peeks.hpp '// P.\n#pragma once\n#include "src/core/internal/hidden.hpp"'
expect "internal header of another room" tests/unit/data/peeks_test.cpp '// Peeks.\n#include "src/core/internal/hidden.hpp"'
expect "header that is not public in a public one" include/anemll/core/reads.hpp '// R.\n#pragma once\n#include "src/core/good.hpp"'
expect "internal header in one for other rooms" src/core/leak.hpp '// L.\n#pragma once\n#include "src/core/internal/hidden.hpp"'
expect "header that no other room includes" src/core/lonely.hpp '// Lonely.\n#pragma once\n#include "src/core/pair.hpp"'
expect "header that no other room includes" src/core/pair.hpp '// With it.\n#pragma once\n#include "src/core/lonely.hpp"'
expect "room named outside rooms.txt" src/comm/CMakeLists.txt 'target_link_libraries(c PRIVATE anemll::core anemll::warnings)'
expect "backend #if in shared code" src/comm/c.cpp '// C.\n#ifdef ANEMLL_HAVE_NCCL\n#endif'
expect "platform #if outside the platform file" src/core/p.cpp '// P.\n#if defined(__APPLE__)\n#endif'
expect "file over 450 lines" src/core/long.cpp "// Long.$(printf '\\n%.0s' $(seq 451))"
expect "file without an opening comment" src/core/bare.cpp 'int x;'
expect "header without pragma once" src/core/twice.hpp '// Twice.'
expect "unfinished work" src/core/later.cpp '// TO''DO: later.'
expect "path outside the repository" launch/here.sh 'cd /wo''rk/main'
expect "not ASCII" src/core/dash.cpp '// A dash \0342\0200\0223.'
mkdir -p "$tree/tests/golden"
head -c 12000001 /dev/zero >"$tree/tests/golden/blob"
expected+=("fixtures too large: tests/golden")
judge
write src/comm/CMakeLists.txt 'anemll_add_library(comm)'

# expect_rooms RULE FROM TO: the tree with this change of rooms.txt is refused by that rule.
expect_rooms() {
  write src/rooms.txt "${house/"$2"/"$3"}"
  local output
  output=$(bash "$checker" "$tree") && { echo "accepted: $1 ($3)"; failures=$((failures + 1)); }
  grep -q "^$1: src/" <<<"$output" || { echo "rule '$1' did not see '$3'; it said: $output"; failures=$((failures + 1)); }
  write src/rooms.txt "$house"
}
expect_rooms "wrong line of rooms.txt" "comm: core # Ranks." "comm: core"
expect_rooms "arrow without an include" "comm: core #" "comm: core data #"
expect_rooms "arrow without an include" "tools/snap: core #" "tools/snap: core train #"
expect_rooms "room without a folder" "comm: core" $'attic: # Old things.\ncomm: core'
expect_rooms "room without a folder" "tools/snap: core" $'tools/prune: # Cuts.\ntools/snap: core'
expect_rooms "table of src/README.md" "Caches." "Caches and more."

# expect_line WHY FROM TO: a reader of rooms.txt with this change finds one wrong line.
expect_line() {
  write src/rooms.txt "${house/"$2"/"$3"}"
  local wrong
  # shellcheck source=tests/support/rooms.sh
  wrong=$(source "$support/rooms.sh"; read_rooms "$tree/src/rooms.txt"; printf '%s\n' "${wrong_lines[@]}")
  grep -q "$1" <<<"$wrong" || { echo "'$3' gave no '$1' but: $wrong"; failures=$((failures + 1)); }
}
expect_line "^$" "" ""
expect_line ":3: not " "comm: core #" "comm, data: core #"
expect_line ":3: comm names core twice" "comm: core #" "comm: core core #"
expect_line ":3: comm uses attic, which is no room above it" "comm: core #" "comm: core attic #"
expect_line ":3: comm uses comm, " "comm: core #" "comm: comm #"
expect_line ":3: data has a line already" "comm: core #" "data: core #"
expect_line ":1: not " "core: #" "core: tools/snap #"
# An arrow to a room below: with the one back it is a circle.
expect_line ":2: data uses train, " "data: core #" "data: core train #"

# What the build reads is refused by the build as well: configure RESULT FROM TO.
script=$(mktemp)
trap 'rm -rf "$tree" "$script"' EXIT
printf 'cmake_minimum_required(VERSION 3.25)\nset(PROJECT_SOURCE_DIR "%s")\ninclude("%s")\n' \
  "$tree" "$support/../../cmake/Rooms.cmake" >"$script"
configure() {
  write src/rooms.txt "${house/"$2"/"$3"}"
  local output result=accepted
  output=$(cmake -P "$script" 2>&1) || result=refused
  [ "$result" = "$1" ] || { echo "cmake: '$3' was $result; it said: $output"; failures=$((failures + 1)); }
}
configure accepted "" ""
configure refused "data: core #" "data: core train #"
configure refused "comm: core #" "comm: core attic #"
configure refused "comm: core #" "comm: comm #"
configure refused "comm: core #" "comm core #"
rm "$tree/src/rooms.txt"
output=$(bash "$checker" "$tree") && { echo "accepted: no rooms.txt"; failures=$((failures + 1)); }
grep -q "^file of no room: src/core/" <<<"$output" || { echo "without rooms.txt it said: $output"; failures=$((failures + 1)); }
write src/rooms.txt "$house"

[ "$failures" -eq 0 ] && echo "every rule fails where it should"
exit $((failures > 0))
