#!/usr/bin/env bash
# Resumed with another KD cache (other data, same shape), whose losses are on another scale.
# Right: refused or told; or best measured anew.
# Wrong: the best_loss of the first cache is carried on in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json 60; precompute a.json kd --dataset_format alpaca_chat --rand_neg 0; ok
O=$T/out; train "${LEARN[@]}" --max-steps 6; ok
CACHE=$T/kd; train "${LEARN[@]}" --lr 1e-6 --max-steps 8 --resume auto; sane
has 'cache' && [ $RC != 0 ] && right "refused: $(last)"
has 'warning.*cache' && right "told"
a=$(summary best_loss) b=$(loss_of out/best_state_dict.pt "$T/kd"); near "$a" "$b" && right "measured anew"; wrong "exit $RC: best_loss $a, on the new cache the file scores $b, in silence"
