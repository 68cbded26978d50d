#!/usr/bin/env bash
# A wrapper reads its flags from a file that was edited on one host only: rank 1 has another --lr.
# Right: exit 2, 3 or 4 naming lr (or that the ranks' options differ).
# Wrong: exit 0: each rank trains another model, or rank 1's setting is ignored in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line; printf 'lr=1e-4; [ $OMPI_COMM_WORLD_RANK = 1 ] && lr=1e-3\nexec %s --lr $lr\n' "${CMD[*]}" > w.sh; mpi 2 w.sh
fails "2 3 4" '\blr\b|learning rate|option|setting|flag'; right "exit $RC: $(last)"
