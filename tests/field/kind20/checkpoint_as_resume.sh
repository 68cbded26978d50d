#!/usr/bin/env bash
# --resume out/best_state_dict.pt: the user takes a checkpoint for a state.
# Right: exit 2 or 3, and the hint names --v2-checkpoint (or that a state folder is wanted).
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train; ok; train --resume out/best_state_dict.pt; fails "2 3" 'best_state_dict'; has 'v2-checkpoint|state folder|state/|folder' && right "$(grep -m1 -A1 hint <<<"$OUT" | tr '\n' ' ')"; wrong "the hint misleads: $(grep -m1 -A1 hint <<<"$OUT" | tr '\n' ' ')"
