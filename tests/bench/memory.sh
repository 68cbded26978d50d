#!/usr/bin/env bash
# The memory plan against the highest resident set (VmHWM of rank 0) of real runs: two steps and the evaluations around
# them, for each batch, length, objective and number of ranks. Prints a Markdown table; "within" is the plan over VmHWM.
# What does not fit is refused by the program and says so in its row.
#
#   tests/bench/memory.sh BUILD_DIR MODEL_DIR TEXT OUT_DIR [BATCHES [LENGTHS]]
#
# BATCHES and LENGTHS are words, by default "8 32" and "64 512". Caches are made once, in OUT_DIR. A run with 32 rows of 512
# tokens takes minutes on two cores, and about 20 GiB in fp32. FLAGS are added to each run, for example
# FLAGS=--gradient-checkpointing.
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2; }
build=$1 model=$2 text=$3 out=$4 batches=${5:-8 32} lengths=${6:-64 512}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/env.sh"
mkdir -p "$out"
read -r -a extra <<< "${FLAGS:-}"
most=$(tr ' ' '\n' <<< "$batches" | sort -n | tail -n 1)

number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$2" | tail -n 1; }

for length in $lengths; do
  cache=$out/cache-$length
  [ -e "$cache/index.json" ] || "$build/bin/anemll_precompute" --teacher_model_name_or_path "$model" --dataset_name "$text" \
    --output_dir "$cache" --max_length "$length" --num_sequences "$most" --topk 64 --payload topk,lse,hidden --holdout 0 \
    --batch_size 4 >"$out/cache-$length.log" 2>&1 || { cat "$out/cache-$length.log" >&2; exit 1; }
done

echo "| Batch | Length | Objective | Ranks | Plan, MiB | VmHWM, MiB | Plan / VmHWM |"
echo "|---|---|---|---|---|---|---|"
for batch in $batches; do
  for length in $lengths; do
    for objective in topk exact; do
      for ranks in 1 2; do
        run=$out/run
        rm -rf "$run"
        code=0
        bash "$here/../../launch/mpirun.sh" -np "$ranks" "$build/bin/anemll_train" --from-scratch --fast-init --model-id "$model" \
          --cache-dir "$out/cache-$length" --output-dir "$run" --batch-size "$batch" --kd-objective "$objective" --max-steps 2 \
          --warmup-steps 0 --eval-samples 8 --eval-steps 0 "${extra[@]}" >"$out/log" 2>&1 || code=$?
        row="| $batch | $length | $objective | $ranks"
        if [ "$code" -eq 2 ] && grep -q 'does not fit' "$out/log"; then
          echo "$row | $(sed -n 's/.*about \(.*\), .* free$/\1 in all/p' "$out/log" | head -n 1) | refused | |"
          continue
        fi
        [ "$code" -eq 0 ] || { cat "$out/log" >&2; exit 1; }
        awk -v row="$row" -v plan="$(number planned_bytes "$run/metrics.jsonl")" \
          -v peak="$(number peak_resident_bytes "$run/metrics.jsonl")" \
          'BEGIN {printf "%s | %.0f | %.0f | %.2f |\n", row, plan / 1048576, peak / 1048576, plan / peak}'
      done
    done
  done
done
