#!/usr/bin/env bash
# --resume OLD/state/step_... into a new output folder, with steps that do not improve.
# Right: the new folder has a best_state_dict.pt that scores as best_loss says, or it is told where the best lies.
# Wrong: best_loss without a file, in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/old; train "${LEARN[@]}" --max-steps 6; ok; s=$(ls -d old/state/step_*6)
O=$T/new; train "${LEARN[@]}" --lr 0.5 --max-steps 8 --resume "$s"; sane
[ $RC = 0 ] || { has 'best|resume|--lr' && right "named: $(last)"; wrong "exit $RC: $(last)"; }
[ -f new/best_state_dict.pt ] || { has 'best_state_dict|old/' && has 'best_state' && right "told"; wrong "best_loss $(summary best_loss), but new/ has no best_state_dict.pt, in silence"; }
a=$(summary best_loss) b=$(loss_of new/best_state_dict.pt); near "$a" "$b" && right "best_loss $a, the file scores $b"; wrong "best_loss $a, the file scores $b"
