#!/usr/bin/env bash
# Rank 1's local copy of the model is another fine-tune: same shapes, other weights.
# Right: exit 0 with rank 0's value on all ranks, and a warning that names model-id and the ranks.
# Wrong: the ranks' embeddings and norms differ.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m0; model m1; py <<'E'
import nano
nano.poke('m1', 'model.norm.weight', 0, 2.0, 64)
E
train_line; printf 'exec %s --model-id %s/m$OMPI_COMM_WORLD_RANK\n' "${CMD[*]}" "$T" > w.sh; mpi 2 w.sh
rank0_counts model-id
