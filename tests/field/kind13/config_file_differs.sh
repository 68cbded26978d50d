#!/usr/bin/env bash
# The config file lies on each host's own disk; rank 1's is an older one with another accumulation and batch size.
# Right: exit 0 with rank 0's value on all ranks, and a warning that names the options and the ranks.
# Wrong: silence, mixed results, or a hang.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
echo 'hard-top1 = 0.2' > c0.ini; printf 'hard-top1 = 0.5\ntemperature = 1\n' > c1.ini
train_line; printf 'exec %s --config-file %s/c$OMPI_COMM_WORLD_RANK.ini\n' "${CMD[*]}" "$T" > w.sh; mpi 2 w.sh
rank0_counts hard-top1 temperature
