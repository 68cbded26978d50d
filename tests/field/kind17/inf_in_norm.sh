#!/usr/bin/env bash
# An Inf in a layer norm of the model (fp16 overflow before the cast to bf16).
# Right: exit 3 or 5 naming the tensor.
# Wrong: it trains, or three NaN steps without a name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; py <<'E'
import nano
nano.poke('m', 'model.layers.0.input_layernorm.weight', 5, float('inf'))
E
MODEL=$T/m; scratch; fails "3 5" 'input_layernorm'; right "exit $RC: $(last)"
