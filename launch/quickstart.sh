#!/usr/bin/env bash
# From a bare machine to a verified 2-bit language model: installs what is missing, builds the programs that it runs,
# fetches SmolLM2-135M (92 MB), makes a KD cache of this project's own documentation, trains from scratch on two MPI
# ranks, snaps the result to FP16 and checks it. Then it builds the other programs.
#
#   launch/quickstart.sh [--preset release] [--minutes 12] [--tiny]
#
#   --minutes N   what it may take after build and download: it measures this machine first, sizes itself to that and
#                 says what it will take. It never makes less than 100 sequences and 30 steps.
#   --tiny        the nano model of tests/golden instead: no download, seconds instead of minutes
#
# Where the programs are installed already, from a package, nothing is built and `runs` lies in the current folder.
#
# Interrupted, the same command goes on where it was. Exits 0 only if the KL from the teacher on text that was not
# trained on (CONTRIBUTING.md) ended at 2.5 nats or less (with --tiny: the KD loss at under half of its start) and the
# snapped file scores as the trained one. Results lie in runs/quickstart, with --tiny in runs/quickstart-tiny.
set -euo pipefail
started_in=$PWD
cd "$(dirname "$0")/.."
. launch/quickstart_plan.sh

installed=false
[ -e CMakeLists.txt ] || installed=true
preset=release
minutes=12
tiny=false
while [ $# -gt 0 ]; do
  case $1 in
    --preset) preset=${2:?--preset needs a name}; shift 2 ;;
    --minutes) minutes=${2:?--minutes needs a number}; shift 2 ;;
    --tiny) tiny=true; shift ;;
    *) echo "usage: launch/quickstart.sh [--preset release] [--minutes 12] [--tiny]" >&2; exit 2 ;;
  esac
done
case $minutes in
  '' | *[!0-9]* | 0*) echo "quick start: --minutes $minutes is no whole number of minutes" >&2; exit 2 ;;
esac
if $tiny; then out=runs/quickstart-tiny; else out=runs/quickstart; fi
bin=build/$preset/bin
# PREFIX/share/anemll_train/launch and PREFIX/bin.
if $installed; then out=$started_in/$out bin=$(cd ../../bin && pwd); fi
readonly out bin plan=$out/plan

# A reader that leaves (| head) does not end the work.
trap '' PIPE
at_exit() {
  local code=$?
  case $code in
    0) ;;
    75) echo "quick start: interrupted, everything is saved: the same command goes on" >&2 || true ;;
    *) echo "quick start: FAILED (exit code $code)" >&2 || true ;;
  esac
}
trap at_exit EXIT

ranks() { run bash launch/mpirun.sh -np 2 "$@"; }

# precompute SEQUENCES BATCH HOLDOUT OUTPUT [FLAG]
precompute() {
  ranks "$bin/anemll_precompute" --teacher_model_name_or_path "$model" --dataset_name "$out/text" --output_dir "$4" \
    --payload topk,lse,hidden --topk 64 --max_length 64 --num_sequences "$1" --batch_size "$2" --shard_size 128 --holdout "$3" "${@:5}"
}
# train CACHE OUTPUT FLAG...
train() {
  ranks "$bin/anemll_train" --from-scratch --model-id "$model" --cache-dir "$1" --output-dir "$2" "${train_flags[@]}" "${@:3}"
}
# snap RUN CACHE OUTPUT
snap() {
  run "$bin/anemll_snap" --checkpoint "$1/best_state_dict.pt" --model-id "$model" --cache-dir "$2" --fp16 --output "$3"
}

# build TARGET (cmake and ninja fail without a reader)
build() { $installed || bash launch/build.sh "$preset" "$1" | tee -p /dev/null; }

build quick_start
if $tiny; then model=tests/golden/nano; else model=$(bash launch/demo_model.sh); fi
began=$SECONDS
guides=(README.md src/README.md src/*/README.md tests/README.md tests/*/README.md configs/README.md)
stamp=$({ "$bin/anemll_train" --version; sha256sum "$model"* "${guides[@]}" CONTRIBUTING.md configs/*.ini launch/quickstart*.sh; echo "$minutes"; } 2>/dev/null |
  sha256sum | cut -c1-64)

# What lies there is gone on with when it was made from the same things and is not finished.
going_on=false
if [ "$(field "$plan" stamp)" = "$stamp" ] && [ ! -e "$out/finished" ]; then
  going_on=true
  say "== going on with the quick start in $out"
elif [ -e "$out" ]; then
  [ -e "$plan" ] || [ -z "$(ls -A "$out")" ] || {
    echo "quick start: $out holds something else" >&2
    echo "hint: move it away" >&2
    exit 2
  }
  say "== removing the earlier quick start in $out (other sources, or finished)"
  rm -rf "$out"
fi

if $tiny; then
  cache=$model/cache
  train_flags=(--config-file configs/smoke_cpu.ini)
  mkdir -p "$out"
  echo "stamp=$stamp" >"$plan"
else
  cache=$out/cache
  train_flags=(--config-file configs/quickstart.ini --eval-text CONTRIBUTING.md)
  if ! $going_on; then
    mkdir -p "$out/text"
    echo "stamp=incomplete" >"$plan"
    # Every guide but CONTRIBUTING.md, which is for the test.
    for i in "${!guides[@]}"; do cp "${guides[i]}" "$out/text/$(printf '%02d' "$i").md"; done
    say "== measuring this machine"
    measure "$out/probe"
    choose_sizes $((minutes * 60 - (SECONDS - began))) >"$plan.new"
    echo "stamp=$stamp" >>"$plan.new"
    mv "$plan.new" "$plan"
    rm -rf "$out/probe"
  fi
  sequences=$(field "$plan" sequences)
  steps=$(field "$plan" steps)
  announced=$(field "$plan" announced_s)
  planned=$SECONDS
  say "== $(field "$plan" machine)"
  say "== $sequences sequences, $steps steps: about $(spell_seconds "$announced") from here$($going_on && echo ' when started anew')"
  [ "$(field "$plan" over)" != yes ] || say "== that is longer than $minutes minutes: fewer steps would not give a model worth looking at"
  say "== the teacher reads the documentation of this project on 2 ranks"
  precompute "$sequences" 16 0.1 "$cache" --resume
  "$bin/anemll_cache" verify "$cache"
  train_flags+=(--max-steps "$steps" --warmup-steps $((steps / 6)))
fi

say "== training from scratch on 2 ranks"
train "$cache" "$out/run" --resume auto

if [ ! -e "$out/snap/snap_report.json" ]; then
  say "== snapping to FP16"
  rm -rf "$out/snap"
  snap "$out/run" "$cache" "$out/snap"
fi

say "== verdict"
if $tiny; then
  what="KD loss" key=loss limit=half
else
  what="KL from the teacher on CONTRIBUTING.md (not trained on)" key=text_kl_mean limit=2.5
fi
line=$(verdict "$out/run/metrics.jsonl" "$key" "$what" "$limit") || { echo "$line" >&2; exit 5; }
say "$line"
touch "$out/finished"
say "snapped checkpoint: $out/snap/model_state_dict.pt (report: $out/snap/snap_report.json)"
if ! $tiny && ! $going_on; then say "announced: $announced s, taken: $((SECONDS - planned)) s"; fi
say "quick start: ok, $((SECONDS - began)) s after download and build"
$installed || say "== building the programs that it did not need"
build programs
