#!/usr/bin/env bash
# A second training (other learning rate) is started into the folder of a finished run, without --resume, by habit.
# Right: refused, or the first run's best_state_dict.pt and log are still there somewhere under the folder.
# Wrong: the first result is overwritten.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}" --max-steps 6; ok; rm out/v2_*.pt; a=$(sha256sum < out/best_state_dict.pt) l=$(sed -n 2,3p out/training_log.csv)
CKPT=$TRAINED; train "${LEARN[@]}" --lr 1e-3 --max-steps 5; sane
[ $RC = 0 ] || { [ "$(sha256sum < out/best_state_dict.pt)" = "$a" ] && right "refused: $(last)"; wrong "exit $RC and overwritten"; }
find out* -type f -exec sha256sum {} + | grep -q "${a%% *}" || wrong "the first run's best_state_dict.pt is gone"
right "the first result is kept"
