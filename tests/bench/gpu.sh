#!/usr/bin/env bash
# What a GPU is asked: first whether its results are the CPU's, then how fast it is. One JSON object.
#
#   tests/bench/gpu.sh BUILD_DIR OUT [DEVICE]        DEVICE: cuda (default), or cpu to try the script itself
#
# Correctness, on the nano model in fp32: each objective, forward and option of a step, the same steps on DEVICE and on
# the CPU: the largest relative difference of losses and gradient norms. Sums: two ranks on one GPU, by NCCL and by MPI;
# on DEVICE cpu by MPI alone. Speed, on models of known shapes with random weights: medians over the steps behind the
# first five. BATCH and STEPS (8, 25) and SHAPES may be set. Exit code 1 when a result differs.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
build=$1 out=$2 device=${3:-cuda}
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
nano=$root/tests/golden/nano
batch=${BATCH:-8} steps=${STEPS:-25}
read -ra shapes <<<"${SHAPES:-smollm2-135m qwen3-0.6b}"
. "$root/launch/env.sh"
mkdir -p "$out"

# CASE|OPTIONS of a step on the nano model
readonly cases=(
  "topk|"
  "materialised|--forward materialised"
  "batched|--forward batched"
  "loop|--forward loop"
  "without half rounding|--ste off"
  "8-bit scales|--scale-bits 8 --forward materialised"
  "checkpointing|--gradient-checkpointing"
  "sampled negatives|--sampled-ce-weight 0.5"
  "candidates alone|--no-full-logits"
  "norms|--train-norms-only"
  "accumulation|--accumulation-steps 3"
  "sharded moments|--shard-optimizer"
)
# Sums in another order, over five updates.
readonly tolerance=1e-4

train() { # FOLDER DEVICE RANKS OPTIONS...
  local folder=$1 where=$2 ranks=$3
  shift 3
  bash "$root/launch/mpirun.sh" -np "$ranks" "$build/bin/anemll_train" --v2-checkpoint "$nano/v2_q2a4_init.pt" --model-id "$nano" \
    --cache-dir "$nano/cache" --output-dir "$folder" --max-steps 5 --batch-size 8 --lr 5e-4 --warmup-steps 1 --logging-steps 1 \
    --eval-samples 0 --precision fp32 --threads 1 --seed 7 --device "$where" "$@" >"$folder.log" 2>&1 ||
    { cat "$folder.log" >&2; return 1; }
}

figures() { sed -n 's/.*"kind":"train".*"loss":\([-0-9.e+]*\).*"grad_norm":\([-0-9.e+]*\).*/\1 \2/p' "$1/metrics.jsonl"; }

# The largest relative difference between two runs; nothing when one has no figures.
difference() {
  paste -d' ' <(figures "$1") <(figures "$2") | awk '
    NF == 4 { n++; for (i = 1; i <= 2; i++) { d = ($i - $(i + 2)) / ($i == 0 ? 1 : $i); if (d < 0) d = -d; if (d > most) most = d } }
    END { if (n == 5) printf "%.3g\n", most }'
}

failed=0
rows=()
compare() { # NAME FOLDER FOLDER
  local found verdict=right
  found=$(difference "$2" "$3")
  if ! awk -v d="${found:-1}" -v most="$tolerance" 'BEGIN { exit !(d <= most) }'; then verdict=wrong failed=1; fi
  rows+=("{\"case\": \"$1\", \"difference\": ${found:-null}, \"verdict\": \"$verdict\"}")
  echo "$1: ${found:-no figures}, $verdict" >&2
}

for i in "${!cases[@]}"; do
  IFS='|' read -r name options <<<"${cases[$i]}"
  # shellcheck disable=SC2086  # words
  train "$out/case$i.cpu" cpu 1 $options && train "$out/case$i.there" "$device" 1 $options
  compare "$name" "$out/case$i.cpu" "$out/case$i.there"
done

# NCCL takes two ranks on one GPU only when it believes that they are on two hosts; MPI needs no such word.
train "$out/two.cpu" cpu 2
train "$out/two.mpi" "$device" 2 --backend mpi
compare "two ranks, MPI" "$out/two.cpu" "$out/two.mpi"
if [ "$device" = cuda ]; then
  cat >"$out/as_host.sh" <<'HOST'
export NCCL_HOSTID=rank$OMPI_COMM_WORLD_RANK NCCL_SOCKET_IFNAME=lo NCCL_IB_DISABLE=1 NCCL_P2P_DISABLE=1 NCCL_SHM_DISABLE=1
exec "$@"
HOST
  bash "$root/launch/mpirun.sh" -np 2 env ANEMLL_SHARED_GPU=1 bash "$out/as_host.sh" "$build/bin/anemll_train" \
    --v2-checkpoint "$nano/v2_q2a4_init.pt" --model-id "$nano" --cache-dir "$nano/cache" --output-dir "$out/two.nccl" --max-steps 5 \
    --batch-size 8 --lr 5e-4 --warmup-steps 1 --logging-steps 1 --eval-samples 0 --precision fp32 --threads 1 --seed 7 \
    --device cuda --backend nccl >"$out/two.nccl.log" 2>&1 || cat "$out/two.nccl.log" >&2
  compare "two ranks, NCCL" "$out/two.cpu" "$out/two.nccl"
fi

gemm=$("$build/bench/gemm_bench" "$device")
speeds=()
for shape in "${shapes[@]}"; do
  "$build/bench/random_model" "$shape" "$out/$shape" 64 256
  bash "$root/launch/mpirun.sh" -np 1 "$build/bin/anemll_train" --from-scratch --fast-init --model-id "$out/$shape/model" \
    --cache-dir "$out/$shape/cache" --output-dir "$out/$shape/run" --max-steps "$steps" --batch-size "$batch" --eval-samples 0 \
    --logging-steps 1 --device "$device" >"$out/$shape.log" 2>&1 || { cat "$out/$shape.log" >&2; exit 1; }
  metrics=$out/$shape/run/metrics.jsonl
  rate=$(sed -n 's/.*"tokens_per_s":\([0-9.e+]*\).*/\1/p' "$metrics" | tail -n +6 | sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}')
  value() { sed -n "s/.*\"$1\":\([0-9.e+]*\).*/\1/p" "$metrics" | tail -n 1; }
  speeds+=("$(awk -v shape="$shape" -v rate="$rate" -v body="$(value body_weights)" -v share="$(value positions_per_token)" \
    -v wait="$(value data_wait_s)" -v peak="$(value peak_resident_bytes)" -v time="$(sed -n 's/.*\(time [0-9].*\)/\1/p' "$out/$shape.log" | tail -n 1)" \
    -v head="$(sed -n 's/.*"vocab_size": *\([0-9]*\).*/\1/p' "$out/$shape/model/config.json") $(sed -n 's/.*"hidden_size": *\([0-9]*\).*/\1/p' "$out/$shape/model/config.json")" \
    -v gemm="$gemm" 'BEGIN {
      split(head, sizes, " ")
      flops = rate * (6 * body + 4 * sizes[1] * sizes[2] * share) / 1e9
      match(gemm, /"gemm_bf16_gflops": [0-9.]+/) || match(gemm, /"gemm_fp32_gflops": [0-9.]+/)
      split(substr(gemm, RSTART, RLENGTH), part, ": ")
      printf "{\"shape\": \"%s\", \"tokens_per_s\": %.1f, \"gflops\": %.1f, \"share_of_gemm\": %.3f, \"data_wait_s\": %s, \"peak_mib\": %.0f, \"parts\": \"%s\"}",
        shape, rate, flops, flops / part[2], wait, peak / 1048576, time
    }')")
done

join() { local IFS=,; echo "$*"; }
echo "{\"device\": \"$device\", \"gemm\": $gemm, \"batch\": $batch, \"length\": 256, \"correct\": [$(join "${rows[@]}")], \"speed\": [$(join "${speeds[@]}")]}" | tee "$out/gpu.json"
exit $failed
