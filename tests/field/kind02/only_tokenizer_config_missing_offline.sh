#!/usr/bin/env bash
# The snapshot has chat_template.jinja and tokenizer.json, but tokenizer_config.json (which names the end of text) was not cached. Offline.
# Right: refused or told, naming tokenizer_config.json or the end of text; or the same cache as with it.
# Wrong: texts end with another token, or with none, in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40; hub_cache org/nano m; rm "$(snapshot org/nano)/tokenizer_config.json"
MODEL=org/nano; precompute a.json kd --dataset_format alpaca_chat; sane
has 'tokenizer_config|end.of.text|eos' && right "told: exit $RC: $(grep -Ei 'tokenizer_config|end.of.text|eos' <<<"$OUT" | head -1 | cut -c1-140)"
ok; MODEL=$T/m; precompute a.json full --dataset_format alpaca_chat; ok
a=$(sed -n 's/.*"tokens_sha256": "\(.*\)".*/\1/p' kd/index.json) b=$(sed -n 's/.*"tokens_sha256": "\(.*\)".*/\1/p' full/index.json)
[ "$a" = "$b" ] && right "the same tokens"; wrong "other tokens than the full model's, in silence"
