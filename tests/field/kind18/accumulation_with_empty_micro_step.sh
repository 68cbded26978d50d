#!/usr/bin/env bash
# --accumulation-steps 2: the second micro-batch of each step is empty.
# Right: exit 0; the loss of a step is that of its supervised tokens (as with the first micro-batch alone).
# Wrong: NaN, or the loss halved.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = [i for i in range(32) if i % 8 >= 4]; nano.masked_cache('c', {0: r, 1: r})
E
CACHE=$T/c; O=$T/acc; train --order sequential --max-steps 1 --accumulation-steps 2 --logging-steps 1; ok
O=$T/one; train --order sequential --max-steps 1 --logging-steps 1; ok
a=$(grep '^1,[0-9]' acc/training_log.csv | cut -d, -f2) b=$(grep '^1,[0-9]' one/training_log.csv | cut -d, -f2); near "$a" "$b" 1e-4 && right "loss $a with, $b without"; wrong "loss $a with an empty micro-step, $b without"
