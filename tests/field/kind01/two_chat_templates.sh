#!/usr/bin/env bash
# chat_template.jinja is Qwen3's, tokenizer_config.json still holds another chat_template (plain ChatML).
# Right: told or refused, naming a chat template: which one made the texts decides over the student.
# Wrong: exit 0 without saying that two differ.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40
json_set m/tokenizer_config.json "d['chat_template']=\"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\\\n' + message['content'] + '<|im_end|>' + '\\\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\\\n' }}{% endif %}\""
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
warned 'chat_template'
