#!/usr/bin/env bash
# The blob of the weights was cut (disk full while copying the cache). Offline.
# Right: exit 3 naming the file.
# Wrong: anything else.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; hub_cache org/nano m
f=$(readlink -f "$(snapshot org/nano)/model.safetensors"); head -c 300000 "$f" > x; mv x "$f"
MODEL=org/nano; scratch --dry-run
fails 3 'model\.safetensors|blobs'; right "exit 3: $(last)"
