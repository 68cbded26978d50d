#!/usr/bin/env bash
# --model-id /data/models/Qwen3-0.6B, an absolute path with a spelling mistake.
# Right: exit 2 or 3 naming the path; the hint does not send the user to tokens or the network.
# Wrong: a hint about HF_TOKEN, login or HF_HUB_OFFLINE.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
export HF_HUB_OFFLINE=1; train --model-id "$T/data/models/Qwen3-0.6B"; fails "2 3" 'data/models/Qwen3'; grep -A3 hint <<<"$OUT" | grep -Eqi 'token|login|OFFLINE|network' && wrong "$(grep -A3 hint <<<"$OUT" | tr '\n' ' ')"; right "$(last)"
