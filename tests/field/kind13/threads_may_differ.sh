#!/usr/bin/env bash
# A control: hosts have different numbers of cores, so --threads differs.
# Right: exit 0.
# Wrong: refused.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line; printf 'exec %s --threads $((OMPI_COMM_WORLD_RANK + 1))\n' "${CMD[*]}" > w.sh; mpi 2 w.sh
ok; right "allowed"
