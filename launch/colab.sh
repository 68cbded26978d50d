#!/usr/bin/env bash
# Prepares a Colab session, or any fresh machine: looks for the drive, installs what a build needs, builds the programs.
#
#   launch/colab.sh [--dry-run]
#
# A notebook mounts the drive and clones the repository first (only it can ask for the permission):
#
#   from google.colab import drive
#   drive.mount('/content/drive')
#   !git clone URL anemll_train
#   %cd anemll_train
#   !bash launch/colab.sh
#
#   ANEMLL_DRIVE   the drive, as for pull_cache.sh
#   PRESET         the build (default: cuda where there are a GPU and nvcc, else release)
#
# Run again it does what is missing. Exit codes: 0 done, 2 something is missing; others are those of the build.
set -euo pipefail
launch=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$launch/stages.sh"
. "$launch/drive.sh"

dry=
for word in "$@"; do
  case $word in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=yes ;;
    *) refuse 2 "no such option: $word" "launch/colab.sh --help" ;;
  esac
done
preset=${PRESET:-}
if [ -z "$preset" ]; then
  preset=release
  if command -v nvidia-smi >/dev/null && { command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; }; then preset=cuda; fi
fi
bin=${launch%/*}/build/$preset/bin

if is_remote; then
  drive_check
elif [ ! -d "$drive" ]; then
  say "no drive at $drive: pull_cache.sh and save_to_drive.sh will need one"
  say "hint: in a notebook: from google.colab import drive; drive.mount('/content/drive')"
fi
if [ -n "$dry" ]; then
  say "drive      $drive"
  say "builds     preset $preset into $bin"
  exit 0
fi
bash "$launch/build.sh" "$preset" programs || exit
say "ready. The programs are in $bin:"
say "  export PATH=$bin:\$PATH ANEMLL_BIN=$bin"
say "  bash launch/pull_cache.sh NAME; bash launch/run_v2_training.sh; bash launch/workflow_b.sh MODEL TEXT_OR_CACHE OUT"
