#!/usr/bin/env bash
# Rank 1's local copy of the model is another fine-tune: same shapes, other weights.
# Right: exit 2, 3 or 4 naming the model or the ranks.
# Wrong: exit 0: the ranks' embeddings and norms differ.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m0; model m1; py <<'E'
import nano
nano.poke('m1', 'model.norm.weight', 0, 2.0, 64)
E
train_line; printf 'exec %s --model-id %s/m$OMPI_COMM_WORLD_RANK\n' "${CMD[*]}" "$T" > w.sh; mpi 2 w.sh
fails "2 3 4" 'model|rank'; right "exit $RC: $(last)"
