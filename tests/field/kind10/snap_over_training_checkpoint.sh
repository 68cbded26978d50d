#!/usr/bin/env bash
# anemll_snap --output out/best_state_dict.pt: "snap it in place".
# Right: refused, the training checkpoint is unchanged.
# Wrong: the training checkpoint is replaced: it cannot be trained on.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}"; ok; a=$(sha256sum < out/best_state_dict.pt)
snap out/best_state_dict.pt out/best_state_dict.pt; sane
[ -f out/best_state_dict.pt ] && [ "$(sha256sum < out/best_state_dict.pt)" = "$a" ] && right "exit $RC, unchanged: $(last)"
wrong "exit $RC: the training checkpoint is gone"
