#!/usr/bin/env bash
# Installs what is missing, configures and builds one preset:   launch/build.sh [preset [target ...]]
# Without a target: everything. `programs` is what a person runs, without tests and benches, `quick_start` the few of
# them that launch/quickstart.sh runs.
# The tools are in build/<preset>/bin afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
[ $# -eq 0 ] || shift

needs=tests
configure=(-DANEMLL_BUILD_TESTS=ON -DANEMLL_BUILD_BENCH=ON)
if [[ $* =~ ^(programs|quick_start)$ ]]; then
  needs=
  # A folder that builds the tests already keeps doing so.
  configure=()
  [ -e "build/$preset/CMakeCache.txt" ] || configure=(-DANEMLL_BUILD_TESTS=OFF -DANEMLL_BUILD_BENCH=OFF)
fi
bash launch/setup.sh $needs
# A compile of a LibTorch file peaks near 1.5 GB: memory bounds the jobs on machines with many cores.
jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
if [ -r /proc/meminfo ]; then
  by_memory=$(awk '/^MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  [ "$by_memory" -ge "$jobs" ] || jobs=$((by_memory > 0 ? by_memory : 1))
fi
cmake --preset "$preset" "${configure[@]}"
targets=()
[ $# -eq 0 ] || targets=(--target "$@")
cmake --build --preset "$preset" --parallel "$jobs" "${targets[@]}"
