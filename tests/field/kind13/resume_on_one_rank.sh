#!/usr/bin/env bash
# --resume auto was added on one host's command only.
# Right: exit 2, 3 or 4 naming resume or the ranks.
# Wrong: exit 0, or a hang.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --max-steps 4; ok
train_line --max-steps 8; printf 'r=; [ $OMPI_COMM_WORLD_RANK = 1 ] && r="--resume auto"\nexec %s $r\n' "${CMD[*]}" > w.sh; mpi 2 w.sh
fails "2 3 4" 'resume|ranks|differ'; right "exit $RC: $(last)"
