#!/usr/bin/env bash
# A second clone of this tree on one machine compiles nothing again: every compile is a hit in the cache that the first
# one filled. With the launcher of the real CMakePresets.json, for a build with and one without debug symbols.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
command -v ccache >/dev/null || { echo "no ccache here: nothing to compare"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
while read -r name; do unset "$name"; done < <(compgen -e | grep '^CCACHE_')
export CCACHE_DIR=$work/cache

for clone in one two/deeper; do
  mkdir -p "$work/$clone/src" "$work/$clone/include/anemll"
  cp "$root/CMakePresets.json" "$work/$clone"
  cp -R "$root/include/anemll/core" "$work/$clone/include/anemll"
  cp -R "$root/src/core" "$work/$clone/src"
  cat >"$work/$clone/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(clone LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
add_library(clone STATIC ${PROJECT_SOURCE_DIR}/src/core/error.cpp ${PROJECT_SOURCE_DIR}/src/core/half.cpp)
target_include_directories(clone PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
END
done

# build CLONE PRESET: prints "HITS MISSES".
build() {
  ccache --zero-stats >/dev/null
  (cd "$work/$1" && cmake --preset "$2" && cmake --build --preset "$2") >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  ccache --print-stats | awk '
    $1 ~ /^(direct|preprocessed)_cache_hit$/ { hits += $2 }
    $1 == "cache_miss" { misses += $2 }
    END { print hits + 0, misses + 0 }'
}

failures=0
expect() { # WHAT GOT WANTED
  [ "$2" = "$3" ] || { echo "$1: hits and misses are $2, not $3"; failures=$((failures + 1)); }
}
for preset in ci dev; do
  expect "first clone, $preset" "$(build one $preset)" "0 2"
  expect "second clone, $preset" "$(build two/deeper $preset)" "2 0"
done

# A launcher named by hand must be the presets' one.
while IFS= read -r line; do
  case $line in
    *'env;CCACHE_BASEDIR='*';CCACHE_NOHASHDIR=1;ccache'*) ;;
    *) echo "another launcher than the presets': $line"; failures=$((failures + 1)) ;;
  esac
done < <(grep -rnE 'COMPILER_LAUNCHER.*ccache' "$root/launch" "$root/.ci" "$root/cmake" "$root/CMakeLists.txt" "$root/CMakePresets.json")
[ "$failures" -eq 0 ] && echo "a second clone compiles nothing again"
exit $((failures > 0))
