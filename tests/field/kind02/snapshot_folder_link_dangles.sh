#!/usr/bin/env bash
# The snapshot's folder itself is given as a path, and the template's blob is gone.
# Right: exit 3 naming chat_template.jinja.
# Wrong: another template, or "no chat template".
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40; hub_cache org/nano m; rm "$(readlink -f "$(snapshot org/nano)/chat_template.jinja")"
MODEL=$(snapshot org/nano); precompute a.json kd --dataset_format alpaca_chat
fails 3 'chat_template\.jinja'; right "exit 3: $(last)"
