#!/usr/bin/env bash
# Every rule of check_layering.sh must be able to fail: a small tree breaks each of them once.
set -uo pipefail
checker=$(cd "$(dirname "$0")/../../support" && pwd)/check_layering.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

write() { mkdir -p "$tree/$(dirname "$1")"; printf '%b\n' "$2" >"$tree/$1"; }

# expect RULE FILE CONTENT: the tree with this file is refused by that rule, and clean again without it.
expect() {
  write "$2" "$3"
  local output
  output=$(bash "$checker" "$tree") && { echo "accepted: $1 ($2)"; failures=$((failures + 1)); }
  grep -q "^$1: .*${2##*/}" <<<"$output" || { echo "rule '$1' did not name $2; it said: $output"; failures=$((failures + 1)); }
  rm "$tree/$2"
}

write src/core/good.hpp '// Owns nothing.\n#pragma once\n#include "anemll/core/error.hpp"'
write src/core/good.cpp '#include "src/core/good.hpp"'
write src/train/uses.cpp '// Reads caches.\n#include "src/data/cache.hpp"\n#if NCCL_VERSION_CODE > 22800\n#endif'
write include/anemll/core/error.hpp '// Errors.\n#pragma once\n#include <string>'
if ! output=$(bash "$checker" "$tree"); then
  echo "a clean tree is refused: $output"
  failures=$((failures + 1))
fi

expect "top level" "scripts" 'x'
expect "heavy library in a public header" include/anemll/core/t.hpp '// T.\n#pragma once\n#include <ATen/core/Tensor.h>'
expect "heavy library in a public header" include/anemll/core/m.hpp '// M.\n#pragma once\n  #  include "mpi.h"'
expect "wrong way between rooms" src/core/up.cpp '// Up.\n#include "src/train/step.hpp"'
expect "wrong way between rooms" src/data/side.cpp '// Side.\n#include "anemll/comm/communicator.hpp"'
expect "wrong way between rooms" src/attic/new.cpp '// New.\n#include "anemll/core/error.hpp"'
expect "backend #if in shared code" src/comm/c.cpp '// C.\n#ifdef ANEMLL_HAVE_NCCL\n#endif'
expect "platform #if outside the platform file" src/core/p.cpp '// P.\n#if defined(__APPLE__)\n#endif'
expect "file over 450 lines" src/core/long.cpp "// Long.$(printf '\\n%.0s' $(seq 451))"
expect "file without an opening comment" src/core/bare.cpp 'int x;'
expect "header without pragma once" src/core/twice.hpp '// Twice.'
expect "unfinished work" src/core/later.cpp '// TO''DO: later.'
expect "path outside the repository" launch/here.sh 'cd /wo''rk/main'
expect "not ASCII" src/core/dash.cpp '// A dash \0342\0200\0223.'
head -c 12000001 /dev/zero >"$tree/blob"
mkdir -p "$tree/tests/golden"
mv "$tree/blob" "$tree/tests/golden/blob"
output=$(bash "$checker" "$tree") && { echo "accepted: fixtures too large"; failures=$((failures + 1)); }
grep -q '^fixtures too large' <<<"$output" || { echo "large fixtures gave: $output"; failures=$((failures + 1)); }

[ "$failures" -eq 0 ] && echo "every rule fails where it should"
exit $((failures > 0))
