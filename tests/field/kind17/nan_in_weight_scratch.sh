#!/usr/bin/env bash
# A merge script left one NaN in q_proj of layer 1; --from-scratch.
# Right: exit 3 or 5 naming the tensor.
# Wrong: it trains, or the message names no tensor.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; py <<'E'
import nano
nano.poke('m', 'model.layers.1.self_attn.q_proj.weight', 777, float('nan'))
E
MODEL=$T/m; scratch; fails "3 5" 'layers\.1\.self_attn\.q_proj'; right "exit $RC: $(last)"
