#!/usr/bin/env bash
# Another program cached only config, weights and tokenizer.json (allow_patterns); tokenizer_config.json and the template are not there. Offline.
# Right: refused or told, naming the file or the chat template: the texts of a cache depend on it.
# Wrong: a cache is made with other texts than the full model's, without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40; hub_cache org/nano m
rm "$(snapshot org/nano)"/{tokenizer_config.json,chat_template.jinja}
MODEL=org/nano; precompute a.json kd --dataset_format alpaca_chat
warned 'tokenizer_config|chat.?template'
