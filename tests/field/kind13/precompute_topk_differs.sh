#!/usr/bin/env bash
# anemll_precompute on two ranks with --topk 16 on one and 8 on the other (env ANEMLL_PRECOMPUTE_TOPK on one host).
# Right: exit 0 with rank 0's value on all ranks, and a warning that names rand_neg and the ranks.
# Wrong: silence, or a damaged cache.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json 40
printf '[ $OMPI_COMM_WORLD_RANK = 1 ] && export ANEMLL_PRECOMPUTE_RAND_NEG=4\nexec %s --teacher_model_name_or_path %s --dataset_name %s/a.json --dataset_format alpaca_chat --output_dir %s/kd %s\n' "$BIN/anemll_precompute" "$NANO" "$T" "$T" "${PRE[*]}" > w.sh; mpi 2 w.sh
rank0_counts rand_neg
