#!/usr/bin/env bash
# A LoRA was trained and saved into the folder of its base model (adapter_config.json, adapter_model.safetensors), never merged.
# Right: told or refused, naming the adapter.
# Wrong: the base model alone is trained and nobody hears of it.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'E'
import nano, json
json.dump({'peft_type': 'LORA', 'r': 4, 'lora_alpha': 8, 'target_modules': ['q_proj']}, open('m/adapter_config.json', 'w'))
nano.st_write('m/adapter_model.safetensors', {'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight': ('BF16', [4, 64], nano.ramp([4, 64])), 'base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight': ('BF16', [128, 4], nano.ramp([128, 4]))})
E
MODEL=$T/m; scratch --dry-run
warned 'adapter'
