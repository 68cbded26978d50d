#!/usr/bin/env bash
# --save-steps 3 --keep-checkpoints 2 --max-steps 12: steps 9 and 12 must stay (by text "9" sorts after "12").
# Right: checkpoint_step9.pt and checkpoint_step12.pt are the ones left.
# Wrong: others.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 12 --save-steps 3 --keep-checkpoints 2; ok
x=$(ls out/checkpoint_step*.pt | xargs -n1 basename | sort | tr '\n' ' '); [ "$x" = "checkpoint_step12.pt checkpoint_step9.pt " ] && right "$x"; wrong "left: $x"
