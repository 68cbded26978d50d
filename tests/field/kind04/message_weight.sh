#!/usr/bin/env bash
# Per-message training marks: "weight": 0 (OpenAI) on turns that must not be trained on.
# Right: told or refused by name (or obeyed and told).
# Wrong: the mark vanishes in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(40, 'messages', 'role', 'content', 'user', 'assistant')
for m in r: m['messages'][1]['weight'] = 0
nano.write_records('a.jsonl', r)
E
precompute a.jsonl kd --dataset_format sharegpt
warned 'weight'
