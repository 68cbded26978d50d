#!/usr/bin/env bash
# The same, but the resumed steps make the model worse (a rate far too large), so nothing is a new best.
# Right: told, or best_state_dict.pt exists and scores as best_loss says.
# Wrong: best_loss without a file, in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}" --max-steps 6 --save-steps 6; ok; rm out/best_state_dict.pt out/v2_*.pt
train "${LEARN[@]}" --lr 0.5 --max-steps 9 --resume auto; sane
[ $RC = 0 ] || { has 'best|--lr|learning' && right "named: $(last)"; wrong "exit $RC: $(last)"; }
[ -f out/best_state_dict.pt ] || { has 'best_state_dict' && right "told"; wrong "best_loss $(summary best_loss), but no best_state_dict.pt, in silence"; }
a=$(summary best_loss) b=$(loss_of out/best_state_dict.pt); near "$a" "$b" && right "best_loss $a, the file scores $b"; wrong "best_loss $a, the file scores $b"
