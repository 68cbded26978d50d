#!/usr/bin/env bash
# The weights are the same on both hosts, but config.json of rank 1's copy has another rope_theta (an edit for long context).
# Right: exit 0 with rank 0's value on all ranks, and a warning that names model-id and the ranks.
# Wrong: ranks with another config.json.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m0; model m1; json_set m1/config.json "d['rope_parameters']['rope_theta']=10000.0"
train_line; printf 'exec %s --model-id %s/m$OMPI_COMM_WORLD_RANK\n' "${CMD[*]}" "$T" > w.sh; mpi 2 w.sh
rank0_counts model-id
