#!/usr/bin/env bash
# anemll_tokenize on a cached model whose tokenizer_config.json leads nowhere. Offline.
# Right: exit 3 naming the file.
# Wrong: other ids in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; hub_cache org/nano m; rm "$(readlink -f "$(snapshot org/nano)/tokenizer_config.json")"; echo hello > t
run "$BIN/anemll_tokenize" encode --model-id org/nano t
fails 3 'tokenizer_config\.json'; right "exit 3: $(last)"
