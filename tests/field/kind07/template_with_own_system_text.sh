#!/usr/bin/env bash
# The chat template is ChatML with a system text of somebody's own: no published one.
# Right: refused naming the template, with --chat-template and --dataset_format plain as the ways on.
# Wrong: rendered by another template, or no way on.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json
printf '%s' "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nI am Zog.<|im_end|>\n' }}{% endif %}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}" > m/chat_template.jinja
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
fails 3 'template'; has 'chat.template' && has 'plain' || wrong "no way on: $(last)"; right "exit 3: $(last)"
