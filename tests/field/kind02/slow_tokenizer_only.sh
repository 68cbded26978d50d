#!/usr/bin/env bash
# The repository has vocab.json and merges.txt but no tokenizer.json (old GPT-2 style). Offline.
# Right: exit 3 naming tokenizer.json.
# Wrong: anything else.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; rm m/tokenizer.json; echo '{"a":0}' > m/vocab.json; printf '#version: 0.2\na b\n' > m/merges.txt; alpaca a.json; hub_cache org/nano m
MODEL=org/nano; precompute a.json kd --dataset_format alpaca_chat
fails "2 3" 'tokenizer\.json'; right "exit $RC: $(last)"
