#!/usr/bin/env bash
# --model-id model.safetensors: the weights file in place of its folder.
# Right: exit 2 or 3, and the hint says that the folder (or a .gguf) is wanted.
# Wrong: a hub name is looked up, or a hint about the network.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --model-id "$NANO/model.safetensors"; fails "2 3" 'model\.safetensors'; has 'folder' || wrong "$(last) $(grep -A2 hint <<<"$OUT" | tr '\n' ' ')"; grep -A2 hint <<<"$OUT" | grep -Eqi 'network|OFFLINE|token' && wrong "$(grep -A2 hint <<<"$OUT" | tr '\n' ' ')"; right "$(last)"
