#!/usr/bin/env bash
# Somebody freed space by deleting blobs: the link of chat_template.jinja leads nowhere. Offline.
# Right: exit 3 (or told) naming chat_template.jinja.
# Wrong: another template is taken in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40; hub_cache org/nano m
rm "$(readlink -f "$(snapshot org/nano)/chat_template.jinja")"
MODEL=org/nano; precompute a.json kd --dataset_format alpaca_chat
warned 'chat_template'
