#!/usr/bin/env bash
# Rank 1's command says --max-steps 3, rank 0's 6 (an edited script on one host).
# Right: exit 0 with rank 0's value on all ranks, and a warning that names max-steps and the ranks.
# Wrong: silence, or a hang when rank 1 is done.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line; printf 'n=6; [ $OMPI_COMM_WORLD_RANK = 1 ] && n=3\nexec %s --max-steps $n\n' "${CMD[*]}" > w.sh; LIMIT=25 mpi 2 w.sh
rank0_counts max-steps
