#!/usr/bin/env bash
# anemll_precompute on two ranks; rank 1's copy of the teacher is another fine-tune.
# Right: exit 0 with rank 0's value on all ranks, and a warning that names the teacher and the ranks.
# Wrong: every second micro-batch of the cache is another teacher's.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m0; model m1; alpaca a.json 40; py <<'E'
import nano
nano.poke('m1', 'model.norm.weight', 0, 2.0, 64)
E
printf 'exec %s --teacher_model_name_or_path %s/m$OMPI_COMM_WORLD_RANK --dataset_name %s/a.json --dataset_format alpaca_chat --output_dir %s/kd %s\n' "$BIN/anemll_precompute" "$T" "$T" "$T" "${PRE[*]}" > w.sh; mpi 2 w.sh
rank0_counts teacher_model_name_or_path
