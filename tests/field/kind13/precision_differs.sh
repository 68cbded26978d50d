#!/usr/bin/env bash
# --precision auto resolves to bf16 on the new host and fp32 on the old one (here given by hand on rank 1).
# Right: exit 2, 3 or 4 naming precision or the ranks; or one is chosen for all and told.
# Wrong: exit 0 in silence with mixed precision.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line; printf 'p=fp32; [ $OMPI_COMM_WORLD_RANK = 1 ] && p=bf16\nexec %s --precision $p\n' "${CMD[*]}" > w.sh; mpi 2 w.sh
sane; [ $RC = 0 ] && { has 'warning.*(precision|rank)' && right "told"; wrong "exit 0 in silence"; }
fails "2 3 4" 'precision|rank'; right "exit $RC: $(last)"
