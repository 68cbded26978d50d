#!/usr/bin/env bash
# ANEMLL_SEED is exported on one host only (a leftover in its .bashrc).
# Right: exit 0 with rank 0's value on all ranks, and a warning that names seed and the ranks.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line; printf '[ $OMPI_COMM_WORLD_RANK = 1 ] && export ANEMLL_SEED=7\nexec %s\n' "${CMD[*]}" > w.sh; mpi 2 w.sh
rank0_counts seed
