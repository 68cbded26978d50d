#!/usr/bin/env bash
# A run is stopped; somebody moves best_state_dict.pt to a drive; the run goes on with --resume auto at a rate too small to improve.
# Right: told, or at the end best_state_dict.pt exists and scores as best_loss says.
# Wrong: best_loss is reported and no such file exists (or it scores otherwise), in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}" --max-steps 6; ok; rm out/best_state_dict.pt out/v2_*.pt
train "${LEARN[@]}" --lr 2e-3 --max-steps 8 --resume auto --eval-steps 1; sane
[ $RC = 0 ] || { has 'best' && right "named: $(last)"; wrong "exit $RC: $(last)"; }
[ -f out/best_state_dict.pt ] || { has 'best_state_dict' && right "told"; wrong "best_loss $(summary best_loss), but no best_state_dict.pt, in silence"; }
a=$(summary best_loss) b=$(loss_of out/best_state_dict.pt); near "$a" "$b" && right "best_loss $a, the file scores $b"; wrong "best_loss $a, the file scores $b"
