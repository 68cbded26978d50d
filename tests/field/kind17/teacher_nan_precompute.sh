#!/usr/bin/env bash
# anemll_precompute with a teacher that has a NaN in down_proj.
# Right: exit 3 or 5 naming the tensor (or the row), no cache is made.
# Wrong: a cache, or an unclear message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40; py <<'E'
import nano
nano.poke('m', 'model.layers.0.mlp.down_proj.weight', 10, float('nan'))
E
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat; fails "3 5" 'down_proj|sequence|row'; [ -e kd/index.json ] && wrong "a cache was made"; right "exit $RC: $(last)"
