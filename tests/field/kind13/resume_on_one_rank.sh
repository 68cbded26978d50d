#!/usr/bin/env bash
# --resume auto was added on one host's command only.
# Right: exit 0 with rank 0's value on all ranks, and a warning that names resume and the ranks.
# Wrong: silence, or a hang.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --max-steps 4; ok
train_line --max-steps 8; printf 'r=; [ $OMPI_COMM_WORLD_RANK = 1 ] && r="--resume auto"\nexec %s $r\n' "${CMD[*]}" > w.sh; mpi 2 w.sh
rank0_counts resume
