#!/usr/bin/env bash
# /scratch/kd_cache on rank 1's host is the cache of an earlier day: same shape, same path name, other rows.
# Right: exit 2, 3 or 4 naming the cache or the ranks.
# Wrong: exit 0: half of each batch comes from other data.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir h0 h1; run "$BIN/anemll_cache" import "$NANO/cache" h0/kd; ok
alpaca a.json 60; precompute a.json h1/kd --dataset_format alpaca_chat --payload topk --num_sequences 64; ok
train_line; printf 'cd %s/h$OMPI_COMM_WORLD_RANK\nexec %s --cache-dir kd\n' "$T" "${CMD[*]}" > w.sh; mpi 2 w.sh
fails "2 3 4" 'cache|rank'; right "exit $RC: $(last)"
