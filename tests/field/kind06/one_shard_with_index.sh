#!/usr/bin/env bash
# The only shard is model-00001-of-00001.safetensors, with an index that names it for every tensor.
# Right: exit 0.
# Wrong: refused for model.safetensors, which is not there.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'P'
import nano, json, os
t, _ = nano.st_read('m/model.safetensors'); os.rename('m/model.safetensors', 'm/model-00001-of-00001.safetensors')
json.dump({'metadata': {}, 'weight_map': {k: 'model-00001-of-00001.safetensors' for k in t}}, open('m/model.safetensors.index.json', 'w'))
P
MODEL=$T/m; scratch --dry-run
ok; right "read"
