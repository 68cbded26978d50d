#!/usr/bin/env bash
# The snapshot has pytorch_model.bin only (old repository), no safetensors. Offline.
# Right: exit 3 that names pytorch_model.bin or says that safetensors are needed.
# Wrong: "not cached, use the network", which would not help.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; mv m/model.safetensors m/pytorch_model.bin; hub_cache org/nano m
MODEL=org/nano; scratch --dry-run
fails 3 'pytorch_model|\.bin|safetensors'; right "exit 3: $(last)"
