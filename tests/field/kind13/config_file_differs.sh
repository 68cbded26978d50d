#!/usr/bin/env bash
# The config file lies on each host's own disk; rank 1's is an older one with another accumulation and batch size.
# Right: exit 2, 3 or 4 naming an option or the ranks.
# Wrong: exit 0, or a hang.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
echo 'hard-top1 = 0.2' > c0.ini; printf 'hard-top1 = 0.5\ntemperature = 1\n' > c1.ini
train_line; printf 'exec %s --config-file %s/c$OMPI_COMM_WORLD_RANK.ini\n' "${CMD[*]}" "$T" > w.sh; mpi 2 w.sh
fails "2 3 4" 'hard-top1|temperature|rank'; right "exit $RC: $(last)"
