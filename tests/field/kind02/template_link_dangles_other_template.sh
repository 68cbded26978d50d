#!/usr/bin/env bash
# The blob of chat_template.jinja is gone, and tokenizer_config.json holds an older, plain ChatML template. Offline.
# Right: exit 3 or told, naming chat_template.jinja: the repository's template is known to exist.
# Wrong: the older template is taken in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40
json_set m/tokenizer_config.json "d['chat_template']=\"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\\\n' + message['content'] + '<|im_end|>' + '\\\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\\\n' }}{% endif %}\""
hub_cache org/nano m; rm "$(readlink -f "$(snapshot org/nano)/chat_template.jinja")"
MODEL=org/nano; precompute a.json kd --dataset_format alpaca_chat
warned 'chat_template\.jinja'
