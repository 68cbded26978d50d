#!/usr/bin/env bash
# Two different checkpoints are snapped into one folder, the second by a forgotten --output.
# Right: refused, or the first snap is kept aside.
# Wrong: the first snap is overwritten in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
snap "$INIT" s; ok; a=$(sha256sum < s/model_state_dict.pt)
snap "$TRAINED" s; sane
find s* -type f -exec sha256sum {} + | grep -q "${a%% *}" && right "exit $RC, the first snap is there: $(last)"
has 'replac|overwr' && right "told"; wrong "exit $RC: the first snap was overwritten in silence"
