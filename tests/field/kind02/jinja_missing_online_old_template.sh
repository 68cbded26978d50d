#!/usr/bin/env bash
# The snapshot was cached by an old transformers that knew no chat_template.jinja; tokenizer_config.json has an older template. Online.
# Right: the snapshot is completed: the cache is that of the repository's folder; or refused/told by name.
# Wrong: a cache of other texts in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40
json_set m/tokenizer_config.json "d['chat_template']=\"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\\\n' + message['content'] + '<|im_end|>' + '\\\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\\\n' }}{% endif %}\""
hub models org/nano "$T/m"; hub_cache org/nano m; rm "$(snapshot org/nano)/chat_template.jinja"
MODEL=org/nano; precompute a.json kd --dataset_format alpaca_chat; sane
has 'chat_template\.jinja' && right "told: exit $RC"; ok
grep -q '"chat_template": "qwen3"' kd/index.json && right "completed: $(grep chat_template kd/index.json)"
wrong "the older template in silence: $(grep chat_template kd/index.json)"
