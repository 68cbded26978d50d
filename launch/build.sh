#!/usr/bin/env bash
# Installs what is missing, configures and builds one preset: launch/build.sh [preset], default release.
# The tools are in build/<preset>/bin afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}

bash launch/setup.sh
# A compile of a LibTorch file peaks near 1.5 GB: memory bounds the jobs on machines with many cores.
jobs=$(getconf _NPROCESSORS_ONLN)
if [ -r /proc/meminfo ]; then
  by_memory=$(awk '/^MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  [ "$by_memory" -ge "$jobs" ] || jobs=$((by_memory > 0 ? by_memory : 1))
fi
cmake --preset "$preset"
cmake --build --preset "$preset" --parallel "$jobs"
