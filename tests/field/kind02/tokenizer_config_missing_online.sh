#!/usr/bin/env bash
# The same partial snapshot, but the network is there: a hub has the missing files.
# Right: the snapshot is completed and the cache is that of the full model; or the run ends naming the file.
# Wrong: a cache that differs from the full model's.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40; hub models org/nano "$T/m"
hub_cache org/nano m; rm "$(snapshot org/nano)"/{tokenizer_config.json,chat_template.jinja}
MODEL=org/nano; precompute a.json kd --dataset_format alpaca_chat
sane; first=$OUT code=$RC
[ $code = 0 ] || { has 'tokenizer_config\.json|chat_template\.jinja' && right "refused by name"; wrong "exit $code: $(last)"; }
MODEL=$T/m; precompute a.json full --dataset_format alpaca_chat; ok
a=$(sed -n 's/.*"fingerprint": "\(.*\)".*/\1/p' kd/index.json | head -1) b=$(sed -n 's/.*"fingerprint": "\(.*\)".*/\1/p' full/index.json | head -1)
[ "$a" = "$b" ] && right "completed: the cache is the full model's"
wrong "made a cache of other texts: $(grep -i template kd/index.json)"
