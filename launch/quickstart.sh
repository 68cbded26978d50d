#!/usr/bin/env bash
# From a bare machine to a verified 2-bit language model: installs what is missing, builds, fetches SmolLM2-135M
# (92 MB), makes a KD cache of this project's own documentation, trains from scratch on two MPI ranks, snaps the
# result to FP16 and checks it.
#
#   launch/quickstart.sh [--preset release] [--tiny]
#
#   --tiny   the nano model of tests/golden instead: no download, seconds instead of minutes
#
# Exits 0 only if the KL from the teacher on text that was not trained on (CONTRIBUTING.md; with --tiny: the KD loss)
# fell to under half of its start and the snapped file scores as the trained one. Results lie in runs/quickstart.
set -euo pipefail
trap '[ $? -eq 0 ] || echo "quick start: FAILED" >&2' EXIT
cd "$(dirname "$0")/.."

preset=release
tiny=false
while [ $# -gt 0 ]; do
  case $1 in
    --preset) preset=${2:?--preset needs a name}; shift 2 ;;
    --tiny) tiny=true; shift ;;
    *) echo "usage: launch/quickstart.sh [--preset release] [--tiny]" >&2; exit 2 ;;
  esac
done
readonly out=runs/quickstart
readonly bin=build/$preset/bin
ranks() { bash launch/mpirun.sh -np 2 "$@"; }

bash launch/build.sh "$preset"
rm -rf "$out"
mkdir -p "$out/text"

if $tiny; then
  began=$SECONDS
  model=tests/golden/nano
  cache=$model/cache
  train_flags=(--config-file configs/smoke_cpu.ini)
else
  model=$(bash launch/demo_model.sh)
  began=$SECONDS
  cache=$out/cache
  # Every guide but CONTRIBUTING.md, which is for the test.
  number=0
  for guide in README.md src/README.md src/*/README.md tests/README.md tests/*/README.md configs/README.md; do
    number=$((number + 1))
    cp "$guide" "$out/text/$(printf '%02d' "$number").md"
  done
  echo "== the teacher reads the documentation of this project on 2 ranks"
  ranks "$bin/anemll_precompute" --teacher_model_name_or_path "$model" --dataset_name "$out/text" --output_dir "$cache" \
    --payload topk,lse,hidden --topk 64 --max_length 64 --num_sequences 250 --batch_size 16 --shard_size 128 --holdout 0.1
  "$bin/anemll_cache" verify "$cache"
  train_flags=(--config-file configs/quickstart.ini --eval-text CONTRIBUTING.md)
fi

echo "== training from scratch on 2 ranks"
ranks "$bin/anemll_train" --from-scratch --model-id "$model" --cache-dir "$cache" --output-dir "$out/run" "${train_flags[@]}"

echo "== snapping to FP16"
"$bin/anemll_snap" --checkpoint "$out/run/best_state_dict.pt" --model-id "$model" --cache-dir "$cache" \
  --fp16 --output "$out/snap"

echo "== verdict"
if $tiny; then
  what="KD loss" key=loss
else
  what="KL from the teacher on CONTRIBUTING.md (not trained on)" key=text_kl_mean
fi
# The first and the last value of the key among the evaluations.
sed -n "s/.*\"kind\":\"eval\".*\"$key\":\([0-9.eE+-]*\).*/\1/p" "$out/run/metrics.jsonl" | awk -v what="$what" '
  { if (first == "") first = $1; last = $1 }
  END {
    if (NR < 2) { print "fewer than two evaluations in metrics.jsonl"; exit 1 }
    printf "%s: %.4f -> %.4f nats (%.0f%% of the start; must be under 50%%)\n", what, first, last, 100 * last / first
    exit !(last < 0.5 * first)
  }' || exit 5
echo "snapped checkpoint: $out/snap/model_state_dict.pt (report: $out/snap/snap_report.json)"
echo "quick start: ok, $((SECONDS - began)) s after download and build"
