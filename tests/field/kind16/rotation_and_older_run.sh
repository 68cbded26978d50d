#!/usr/bin/env bash
# A folder holds checkpoint_step50.pt of an earlier run; a new run with --keep-checkpoints 1 --save-steps 2 starts in it.
# Right: checkpoint_step50.pt is not deleted (aside is right, or refused), and the new run's newest is kept.
# Wrong: the old one is deleted, or kept in place of the new one.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir out; cp "$TRAINED" out/checkpoint_step50.pt; a=$(sha256sum < out/checkpoint_step50.pt); O=$T/out
train --max-steps 6 --save-steps 2 --keep-checkpoints 1; sane
find out* -type f -exec sha256sum {} + | grep -q "${a%% *}" || wrong "exit $RC: the older run's checkpoint_step50.pt was deleted"
[ $RC != 0 ] && right "refused: $(last)"; [ -f out/checkpoint_step6.pt ] || wrong "the new run's last checkpoint is gone: $(ls out/checkpoint* | tr '\n' ' ')"; right "both are there"
