#!/usr/bin/env bash
# --strict with a model folder that holds an adapter nobody merges: for those who want an error.
# Right: exit 3 (or 2 naming the thing), because of the adapter.
# Wrong: no such option, or exit 0.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; py <<'E'
import nano, json
json.dump({'peft_type': 'LORA', 'r': 4, 'target_modules': ['q_proj']}, open('m/adapter_config.json', 'w'))
nano.st_write('m/adapter_model.safetensors', {'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight': ('BF16', [4, 64], nano.ramp([4, 64]))})
E
MODEL=$T/m; scratch --dry-run --strict; fails "2 3" 'adapter'; right "exit $RC: $(last)"
