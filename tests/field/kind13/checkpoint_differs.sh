#!/usr/bin/env bash
# --v2-checkpoint run/best_state_dict.pt is on node-local disks: rank 1 has an older best.
# Right: exit 2, 3 or 4 naming the checkpoint or the ranks; or rank 0's is used by all.
# Wrong: exit 0 with ranks that start from different scales.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cp "$INIT" c0.pt; cp "$TRAINED" c1.pt
train_line --max-steps 1; printf 'exec %s --v2-checkpoint %s/c$OMPI_COMM_WORLD_RANK.pt\n' "${CMD[*]}" "$T" > w.sh; mpi 2 w.sh
sane; a=$(sed -n 's/.*"step":0,"loss":\([0-9.]*\).*/\1/p' out/metrics.jsonl 2>/dev/null | head -1)
[ $RC = 0 ] && { near "$a" "$(loss_of c0.pt)" && right "rank 0's is used by all (start $a)"; wrong "exit 0, the start evaluation is $a, rank 0's checkpoint alone scores $(loss_of c0.pt)"; }
fails "2 3 4" 'checkpoint|c1\.pt|rank'; right "exit $RC: $(last)"
