#!/usr/bin/env bash
# Logs of a short run that is killed and goes on, held against metrics.jsonl: log_readers.sh FOLDER PYTHON. The Python
# has the packages wandb (0.28) and tensorboard.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly place=$1 python=$2 nano=tests/golden/nano readers=tests/support/log_readers.py
readonly run=$place/run bin=${ANEMLL_BIN:-build/ci/bin}

"$python" $readers goldens "$place"
cmp "$place/run.wandb" tests/golden/tracking/run.wandb
cmp "$place/events.out" tests/golden/tracking/events.out
echo "goldens: the packages write the same bytes"

printf '{"prompt":"%s"}\n' 'one two' 'three, four' >"$place/prompts.jsonl"
train=("$bin/anemll_train" --v2-checkpoint $nano/v2_q2a4_init.pt --model-id $nano --cache-dir $nano/cache --output-dir "$run" \
    --batch-size 4 --lr 5e-4 --warmup-steps 5 --logging-steps 1 --eval-steps 50 --eval-samples 8 --save-steps 7 \
    --inspect-steps 100 --sample-prompts "$place/prompts.jsonl" --sample-tokens 5 --precision fp32 --threads 1 --wandb --tensorboard --resume auto --max-steps)
# Killed itself, not only the shell around it.
(exec "${train[@]}" 4000 2>>"$place/log") &
child=$!
for _ in $(seq 3000); do
  [ "$(wc -l 2>/dev/null <"$run/training_log.csv" || echo 0)" -lt 60 ] || break
  sleep 0.02
done
kill -KILL $child
wait $child 2>/dev/null || true
"${train[@]}" 400 2>>"$place/log"
tail -n 1 "$place/log"
"$python" $readers compare "$run"

"$bin/anemll_precompute" --teacher_model_name_or_path $nano --dataset_name tests/golden/datasets/alpaca_40.json \
  --dataset_format alpaca_chat --max_length 32 --topk 16 --num_sequences 40 --shard_size 16 --output_dir "$place/cache/kd" \
  --wandb_project caches --threads 1 2>>"$place/log"
tail -n 1 "$place/log"
"$python" $readers precompute "$place"/cache/wandb/offline-run-*
