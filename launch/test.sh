#!/usr/bin/env bash
# Builds and runs every test: launch/test.sh [preset] [ctest arguments], default release.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
[ $# -eq 0 ] || shift

bash launch/build.sh "$preset"
exec ctest --preset "$preset" --no-tests=error "$@"
