#!/usr/bin/env bash
# --lr 1e30 (a typed error): the scales overflow in the first step.
# Right: exit 5 or 2 (or 0 with a warning) naming the step, loss, gradient or lr; best_state_dict.pt is finite and as good as the start.
# Wrong: exit 0, or a best file with NaN.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --lr 1e30 --warmup-steps 0 --constant-lr --max-steps 12 --eval-steps 2
sane; if [ $RC = 0 ]; then has 'beat the start|finite|--lr' || wrong "exit 0 in silence"; else fails "2 5" 'nan|finite|loss|lr|gradient'; fi
 [ -f out/best_state_dict.pt ] || right "exit $RC: $(last)"
b=$(loss_of out/best_state_dict.pt); near "$b" 0.0272 0.05 && right "exit $RC, the best file scores $b"; wrong "the best file scores $b"
