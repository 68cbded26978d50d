#!/usr/bin/env bash
# The embedding row of an unused padding token (id 4095) is NaN: resized embeddings that were never initialised.
# Right: exit 3 or 5 naming embed_tokens (the head is tied, so every softmax sees it); or told and left aside.
# Wrong: the loss is NaN without a name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; py <<'E'
import nano
nano.poke('m', 'model.embed_tokens.weight', 4095 * 64, float('nan'), 64)
E
MODEL=$T/m; scratch; told 'embed_tokens'
