#!/usr/bin/env bash
# transformers noted in .no_exist that the repository has no chat_template.jinja and no added_tokens.json. Offline.
# Right: not a word about these.
# Wrong: a message about files that are known not to exist.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; mv m/chat_template.jinja t; python3 - <<'P'
import json
d=json.load(open('m/tokenizer_config.json')); d['chat_template']=open('t').read(); json.dump(d,open('m/tokenizer_config.json','w'))
P
alpaca a.json 40; hub_cache org/nano m
at=hub/models--org--nano/.no_exist/0123456789abcdef0123456789abcdef01234567; mkdir -p "$at"
touch "$at"/{chat_template.jinja,added_tokens.json,special_tokens_map.json}
MODEL=org/nano; precompute a.json kd --dataset_format alpaca_chat; ok
has 'snapshot.*(jinja|added_tokens|special_tokens)|not known' && wrong "told: $(grep -Ei 'snapshot|not known' <<<"$OUT" | head -1)"
right "silence"
