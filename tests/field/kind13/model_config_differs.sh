#!/usr/bin/env bash
# The weights are the same on both hosts, but config.json of rank 1's copy has another rope_theta (an edit for long context).
# Right: exit 2, 3 or 4 naming the model or the ranks.
# Wrong: exit 0.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m0; model m1; json_set m1/config.json "d['rope_parameters']['rope_theta']=10000.0"
train_line; printf 'exec %s --model-id %s/m$OMPI_COMM_WORLD_RANK\n' "${CMD[*]}" "$T" > w.sh; mpi 2 w.sh
fails "2 3 4" 'model|rank'; right "exit $RC: $(last)"
