#!/usr/bin/env bash
# special_tokens_map.json says eos is <|endoftext|>, tokenizer_config.json says <|im_end|>: a base/chat mix-up.
# Right: told or refused, naming the file or the token: every text of the cache ends with one of them.
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40
echo '{"eos_token": {"content": "<|endoftext|>"}, "pad_token": "<|endoftext|>"}' > m/special_tokens_map.json
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
warned 'special_tokens_map|eos'
