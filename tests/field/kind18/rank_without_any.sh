#!/usr/bin/env bash
# Two ranks, batch of four: rank 1's half of the batch is empty (rows 2 and 3, 6 and 7, ...).
# Right: exit 0, finite, the same losses as one rank.
# Wrong: NaN, a hang, other losses.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = [i for i in range(32) if i % 4 >= 2]; nano.masked_cache('c', {0: r, 1: r})
E
CACHE=$T/c; O=$T/one; train --order sequential --max-steps 6 --logging-steps 1; ok
O=$T/two; train_line --order sequential --max-steps 6 --logging-steps 1; run bash "$REPO/launch/mpirun.sh" -np 2 "${CMD[@]}"; ok
a=$(grep '^6,[0-9]' one/training_log.csv | cut -d, -f2) b=$(grep '^6,[0-9]' two/training_log.csv | cut -d, -f2); near "$a" "$b" 1e-3 && right "step 6: $a on one rank, $b on two"; wrong "step 6: $a on one rank, $b on two"
