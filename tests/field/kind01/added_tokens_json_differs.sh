#!/usr/bin/env bash
# An added_tokens.json of an older save maps <|im_end|> to another id than tokenizer.json.
# Right: told or refused, naming added_tokens.json.
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40
echo '{"<|im_end|>": 4094, "<|endoftext|>": 4087, "<|fim_pad|>": 4095}' > m/added_tokens.json
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
warned 'added_tokens\.json'
