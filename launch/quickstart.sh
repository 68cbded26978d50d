#!/usr/bin/env bash
# From a bare machine to a verified 2-bit checkpoint: installs what is missing, builds, trains the nano model of
# tests/golden on two MPI ranks from scratch, snaps it to FP16 and checks the result.
#
#   launch/quickstart.sh [--preset release]
#
# Exits 0 only if the KD loss fell to under half of its start and the snapped file scores within 1e-3 of the
# trained one. Results lie in runs/quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
if [ $# -eq 2 ] && [ "$1" = --preset ]; then
  preset=$2
elif [ $# -ne 0 ]; then
  echo "usage: launch/quickstart.sh [--preset release]" >&2
  exit 2
fi
readonly model=tests/golden/nano
readonly out=runs/quickstart
readonly bin=build/$preset/bin

bash launch/build.sh "$preset"
began=$SECONDS
rm -rf "$out"
mkdir -p "$out"

echo "== training $model from scratch on 2 ranks"
bash launch/mpirun.sh -np 2 "$bin/anemll_train" --from-scratch --model-id "$model" --cache-dir "$model/cache" --output-dir "$out" \
  --config-file configs/smoke_cpu.ini

echo "== snapping to FP16"
"$bin/anemll_snap" --checkpoint "$out/best_state_dict.pt" --model-id "$model" --cache-dir "$model/cache" \
  --fp16 --output "$out/snap"

echo "== verdict"
# The first and the last evaluation of the training log (CRLF line ends).
tr -d '\r' <"$out/training_log.csv" | awk -F, '
  NR == 1 { for (i = 1; i <= NF; ++i) if ($i == "eval_loss") column = i; next }
  column && $column != "" { if (first == "") first = $column; last = $column }
  END {
    if (first == "" || last !~ /^[0-9.]+$/) { print "no evaluation in the training log"; exit 1 }
    printf "KD loss %s -> %s (%.0f%% of the start; must be under 50%%)\n", first, last, 100 * last / first
    exit !(last < 0.5 * first)
  }' || { echo "quick start: FAILED" >&2; exit 5; }
echo "snapped checkpoint: $out/snap/model_state_dict.pt (report: $out/snap/snap_report.json)"
echo "quick start: ok, training and snap took $((SECONDS - began)) s"
