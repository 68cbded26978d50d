#!/usr/bin/env bash
# ANEMLL_SEED is exported on one host only (a leftover in its .bashrc).
# Right: exit 2, 3 or 4 naming seed or the differing ranks.
# Wrong: exit 0.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line; printf '[ $OMPI_COMM_WORLD_RANK = 1 ] && export ANEMLL_SEED=7\nexec %s\n' "${CMD[*]}" > w.sh; mpi 2 w.sh
fails "2 3 4" 'seed|rank'; right "exit $RC: $(last)"
