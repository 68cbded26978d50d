#!/usr/bin/env bash
# What a GPU is asked: first whether its results are the CPU's, then how fast it is. One JSON object, in OUT/gpu.json too.
#
#   tests/bench/gpu.sh BUILD_DIR OUT [DEVICE]        DEVICE: cuda (default), or cpu to try the script itself
#
# Correctness, on the nano model in fp32: each objective, forward and option of a step, and an evaluation before and behind
# the steps, on DEVICE and on the CPU: the largest relative difference of losses and gradient norms. Kernels: each operation with
# its gradients, alone (kernel_check). Sums, the one collective on a device: two ranks on one GPU, by NCCL and by MPI; on DEVICE
# cpu by MPI alone. Speed, on models of known shapes with random weights (gpu_report.py
# says what the figures are). SHAPES, BATCH (8), STEPS (25) and RANKS (1) of the speed may be set. A run that fails is a row
# with its reason, and the others go on. Exit codes: 0, 1 when a result differs or is missing, 2 usage or no GPU.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }
build=$1 out=$2 device=${3:-cuda}
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
nano=$root/tests/golden/nano
batch=${BATCH:-8} steps=${STEPS:-25} ranks=${RANKS:-1}
read -ra shapes <<<"${SHAPES:-smollm2-135m qwen3-0.6b}"

refuse() { printf '%s\n' "error: $1" "  hint: $2" >&2; exit 2; }
case $device in cuda | cpu) ;; *) refuse "DEVICE $device is neither cuda nor cpu" "cuda, or nothing, for an NVIDIA GPU" ;; esac
for program in bin/anemll_train bin/anemll_precompute bench/gemm_bench bench/kernel_check bench/random_model; do
  [ -x "$build/$program" ] || refuse "there is no $build/$program" "build it: bash launch/build.sh PRESET, then BUILD_DIR is build/PRESET"
done
command -v python3 >/dev/null || refuse "there is no python3" "bash .ci/setup installs what checks need"
# Medians are over the steps behind the first five.
[[ $steps =~ ^([6-9]|[1-9][0-9]+)$ ]] || refuse "STEPS=$steps is not a number above 5" "25 is the default"
# A run would go into the folder of another.
[ -z "$(ls -A "$out" 2>/dev/null)" ] || refuse "OUT is not empty: $out" "give a new folder"
. "$root/launch/env.sh"
model=(--v2-checkpoint "$nano/v2_q2a4_init.pt" --model-id "$nano" --cache-dir "$nano/cache")
dry=$("$build/bin/anemll_train" "${model[@]}" --output-dir "$out/none" --device "$device" --dry-run 2>&1) || {
  sed -n '/^error: /,$p' <<<"$dry" >&2
  exit 2
}
mkdir -p "$out"
rm -rf "$out/none" # the cache, which a dry run imports too

# CASE|OPTIONS of a step on the nano model. CACHE is one with all that objectives ask for.
readonly cases=(
  "topk|"
  "topk-tail|--cache-dir CACHE --kd-objective topk-tail"
  "exact|--cache-dir CACHE --kd-objective exact"
  "live teacher|--kd-objective exact --teacher-model MODEL"
  "batched|--forward batched"
  "loop|--forward loop"
  "without half rounding|--ste off"
  "8-bit scales|--scale-bits 8"
  "checkpointing|--gradient-checkpointing"
  "sampled negatives|--sampled-ce-weight 0.5"
  "candidates alone|--no-full-logits"
  "norms|--train-norms-only"
  "accumulation|--accumulation-steps 3"
  "sharded moments|--shard-optimizer"
)

# run NAME RANKS PROGRAM...: what it says goes to OUT/NAME.log, and to stderr when it fails.
run() {
  local log=$out/$1.log
  bash "$root/launch/mpirun.sh" -np "$2" "${@:3}" >"$log" 2>&1 || sed "s|^|$1: |" "$log" >&2
}
train=("$build/bin/anemll_train" "${model[@]}" --max-steps 5 --batch-size 8 --lr 5e-4 --warmup-steps 1 --logging-steps 1
  --eval-samples 8 --precision fp32 --threads 1 --seed 7)
compare() { # NAME FOLDER FOLDER
  echo "$1|$2|$3" >>"$out/compared"
  python3 "$here/gpu_report.py" --difference "$out/$2" "$out/$3" | sed "s|^|$1: |" >&2
}

"$build/bench/kernel_check" "$device" >"$out/kernels.json" || echo "kernel_check: exit code $?, see $out/kernels.json" >&2

run cache 1 "$build/bin/anemll_precompute" --teacher_model_name_or_path "$nano" --dataset_name "$root/tests/golden/datasets/c4_demo.jsonl" \
  --max_length 32 --topk 16 --num_sequences 64 --dtype fp32 --payload topk,lse,hidden --output_dir "$out/cache"
for i in "${!cases[@]}"; do
  IFS='|' read -r name options <<<"${cases[$i]}"
  read -ra words <<<"$options"
  words=("${words[@]/#CACHE/$out/cache}")
  words=("${words[@]/#MODEL/$nano}")
  run "case$i.cpu" 1 "${train[@]}" --output-dir "$out/case$i.cpu" --device cpu "${words[@]}"
  run "case$i.there" 1 "${train[@]}" --output-dir "$out/case$i.there" --device "$device" "${words[@]}"
  compare "$name" "case$i.cpu" "case$i.there"
done

run two.cpu 1 "${train[@]}" --output-dir "$out/two.cpu" --device cpu
run two.mpi 2 "${train[@]}" --output-dir "$out/two.mpi" --device "$device" --backend mpi
compare "two ranks, MPI" two.cpu two.mpi
if [ "$device" = cuda ]; then
  # NCCL takes two ranks on one GPU only when it believes that they are on two hosts; MPI needs no such word.
  cat >"$out/as_host.sh" <<'HOST'
export NCCL_HOSTID=rank$OMPI_COMM_WORLD_RANK NCCL_SOCKET_IFNAME=lo NCCL_IB_DISABLE=1 NCCL_P2P_DISABLE=1 NCCL_SHM_DISABLE=1
exec "$@"
HOST
  run two.nccl 2 env ANEMLL_SHARED_GPU=1 bash "$out/as_host.sh" "${train[@]}" --output-dir "$out/two.nccl" --device cuda --backend nccl
  compare "two ranks, NCCL" two.cpu two.nccl
fi

# watch_memory FILE: the GPU's memory in use, in MiB, a few times a second, until it is ended.
watch_memory() {
  while :; do
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits >>"$1" 2>/dev/null || return 0
    sleep 0.2
  done
}

"$build/bench/gemm_bench" "$device" >"$out/gemm.json" || echo '{}' >"$out/gemm.json"
for shape in "${shapes[@]}"; do
  "$build/bench/random_model" "$shape" "$out/$shape" 64 256 >&2 || continue
  watcher=''
  if [ "$device" = cuda ]; then
    watch_memory "$out/$shape.memory" &
    watcher=$!
  fi
  timed=("$build/bin/anemll_train" --from-scratch --fast-init --model-id "$out/$shape/model" --cache-dir "$out/$shape/cache"
    --max-steps "$steps" --warmup-steps 1 --batch-size "$batch" --eval-samples 0 --logging-steps 1 --device "$device")
  run "$shape" "$ranks" "${timed[@]}" --output-dir "$out/$shape/run"
  # What the overlap is measured against: all sums behind backward.
  [ "$ranks" = 1 ] || run "$shape.behind" "$ranks" "${timed[@]}" --output-dir "$out/$shape/behind" --bucket-mib 0
  [ -z "$watcher" ] || { kill "$watcher" && wait "$watcher"; } 2>/dev/null || true
done

code=0
python3 "$here/gpu_report.py" "$out" "$build" "$device" "$ranks" "$batch" "${shapes[@]}" >"$out/gpu.json" || code=$?
cat "$out/gpu.json"
exit $code
