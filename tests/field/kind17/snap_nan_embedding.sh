#!/usr/bin/env bash
# anemll_snap of a checkpoint whose embedding holds a NaN.
# Right: exit 3 or 5 naming it, no file written.
# Wrong: a snap with a NaN.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano, struct
def change(name, size, kind, b):
    if name.endswith('embed_tokens.weight'):
        w = len(b) // (4096 * 64); b[w * 640:w * 641] = struct.pack('<f', float('nan'))[4 - w:]
assert nano.pt_edit(nano.NANO + '/v2_q2a4_init.pt', 'c.pt', change) >= 1
E
snap c.pt s; sane; [ $RC = 0 ] && wrong "exit 0: a snap with a NaN in the embedding"; fails "3 5" 'embed_tokens|lm_head'; [ -e s/model_state_dict.pt ] && wrong "a file is left"; right "exit $RC: $(last)"
