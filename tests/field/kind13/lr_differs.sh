#!/usr/bin/env bash
# A wrapper reads its flags from a file that was edited on one host only: rank 1 has another --lr.
# Right: exit 0 with rank 0's value on all ranks, and a warning that names lr and the ranks.
# Wrong: each rank trains another model, or silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line; printf 'lr=1e-4; [ $OMPI_COMM_WORLD_RANK = 1 ] && lr=1e-3\nexec %s --lr $lr\n' "${CMD[*]}" > w.sh; mpi 2 w.sh
rank0_counts lr
