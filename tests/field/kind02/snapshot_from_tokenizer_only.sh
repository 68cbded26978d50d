#!/usr/bin/env bash
# Only the tokenizer was fetched before (anemll_tokenize or AutoTokenizer): config.json and tokenizer files, no weights. Offline.
# Right: exit 3 naming the weights (safetensors) or that it is not complete.
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; rm m/model.safetensors; hub_cache org/nano m
MODEL=org/nano; scratch --dry-run
fails 3 'safetensors|weights|complete'; right "exit 3: $(last)"
