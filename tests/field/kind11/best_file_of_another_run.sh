#!/usr/bin/env bash
# Between stop and resume best_state_dict.pt was replaced by another run's (copied back into the wrong folder), which is worse.
# Right: told or put right: at the end the file scores as best_loss says.
# Wrong: best_loss says one thing and the file is another model, in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}" --max-steps 6; ok; first=$(summary best_loss)
O=$T/other; train --max-steps 1; ok; O=$T/out; rm out/v2_*.pt; cp other/best_state_dict.pt out/best_state_dict.pt
train "${LEARN[@]}" --lr 0.5 --max-steps 8 --resume auto; sane
has 'best_state_dict' && [ $RC != 0 ] && right "named"
a=$(summary best_loss) b=$(loss_of out/best_state_dict.pt); near "$a" "$b" && right "best_loss $a, the file scores $b"
has 'warning.*best_state_dict' && right "told"; wrong "best_loss $a (was $first), the file scores $b, in silence"
