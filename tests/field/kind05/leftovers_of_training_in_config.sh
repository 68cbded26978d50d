#!/usr/bin/env bash
# config.json has keys that only training or other programs read: dropout, initialisation, cache, versions.
# Right: exit 0.
# Wrong: refused.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; json_set m/config.json "d.update(attention_dropout=0.1,initializer_range=0.02,use_cache=False,gradient_checkpointing=True,transformers_version='9.9.9',_name_or_path='org/x',unsloth_version='2025.1',pad_token_id=0,torch_dtype='float32')"
MODEL=$T/m; scratch --dry-run
ok; right "read as without them"
