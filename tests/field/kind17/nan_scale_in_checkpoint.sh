#!/usr/bin/env bash
# --v2-checkpoint whose scale_A of one layer holds a NaN (a diverged run's last file).
# Right: exit 3 or 5 naming the tensor.
# Wrong: it trains on, or names nothing.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano, struct
def change(name, size, kind, b):
    if name.endswith('layers.1.mlp.up_proj.scale_A'): b[400:404] = struct.pack('<f', float('nan'))
assert nano.pt_edit(nano.NANO + '/v2_q2a4_init.pt', 'c.pt', change) == 1
E
CKPT=$T/c.pt; train; fails "3 5" 'up_proj'; right "exit $RC: $(last)"
