#!/usr/bin/env bash
# rank_magnitude of one layer is Inf in the checkpoint.
# Right: exit 3 or 5 naming the tensor.
# Wrong: it trains on, or names nothing.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano, struct
def change(name, size, kind, b):
    if name.endswith('layers.0.self_attn.o_proj.rank_magnitude'): b[4:8] = struct.pack('<f', float('inf'))
assert nano.pt_edit(nano.NANO + '/v2_q2a4_init.pt', 'c.pt', change) == 1
E
CKPT=$T/c.pt; train; fails "3 5" 'o_proj'; right "exit $RC: $(last)"
