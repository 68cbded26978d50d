#!/usr/bin/env bash
# Resumed with --eval-samples 40 after 4: losses of different rows are not comparable.
# Right: told or refused; or the best is measured anew so that file and figure agree on the 40.
# Wrong: best_loss is the old figure of the 4 rows (or the file is not the best of the two) in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}" --max-steps 6 --eval-samples 4; ok
train "${LEARN[@]}" --lr 0.1 --max-steps 8 --eval-samples 40 --resume auto; sane
has 'eval.samples' && right "exit $RC, told: $(grep -i -m1 'eval.samples' <<<"$OUT" | cut -c1-140)"
[ $RC = 0 ] || wrong "exit $RC: $(last)"
a=$(summary best_loss) b=$(loss_of out/best_state_dict.pt "$NANO/cache" 40); near "$a" "$b" && right "best_loss $a, the file scores $b on the 40"; wrong "best_loss $a, the file scores $b on the 40, in silence"
