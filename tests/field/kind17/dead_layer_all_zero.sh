#!/usr/bin/env bash
# A pruned layer: up_proj is all zero; and one row of q_proj. From scratch.
# Right: it trains with finite losses (0 is a weight); or refused naming the tensor.
# Wrong: NaN, or a crash.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; py <<'E'
import nano
nano.poke('m', 'model.layers.1.mlp.up_proj.weight', 0, 0.0, 96 * 64); nano.poke('m', 'model.layers.0.self_attn.q_proj.weight', 64, 0.0, 64)
E
MODEL=$T/m; scratch "${LEARN[@]}" --max-steps 6; sane; [ $RC = 0 ] && { grep -v '"kind":"start"' out/metrics.jsonl | grep -qi nan && wrong "NaN in metrics.jsonl"; right "trains, final $(sed -n 's/.*"final_loss":\([0-9.]*\).*/\1/p' out/metrics.jsonl)"; }
has 'up_proj|q_proj' && right "named: $(last)"; wrong "exit $RC: $(last)"
