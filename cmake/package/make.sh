#!/usr/bin/env bash
# A Debian package and a relocatable archive of the programs:   cmake/package/make.sh [PRESET]
# Builds the programs of the preset (release) where that is not done, and leaves both in build/PRESET/packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
preset=${1:-release}
bash launch/build.sh "$preset" programs
cmake --preset "$preset" -DANEMLL_BUNDLE=ON
# Programs that are linked already get their new RPATH at the installation.
cmake --build --preset "$preset" --target programs
cpack --config "build/$preset/CPackConfig.cmake"
(cd "build/$preset/packages" && sha256sum -- *.deb *.tar.zst | tee SHA256SUMS)
