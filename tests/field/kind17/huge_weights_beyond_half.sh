#!/usr/bin/env bash
# A bf16 model with weights of 1e30 (fine in bf16, beyond half): an outlier. From scratch, --ste on by default.
# Right: told or refused naming the tensor; or it trains with finite losses.
# Wrong: NaN losses without a name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; py <<'E'
import nano
nano.poke('m', 'model.layers.0.mlp.gate_proj.weight', 3, 1e30)
E
MODEL=$T/m; scratch --max-steps 6; sane; [ $RC = 0 ] && ! grep -hv '"kind":"start"' out/training_log.csv out/metrics.jsonl | grep -qiE 'nan|inf|null' && right "trains, finite"; told 'gate_proj'
