#!/usr/bin/env bash
# DPO exports: conversations (the prompt) and messages (the whole talk) both present in one record.
# Right: told or refused, naming the list that is not read.
# Wrong: one of the two vanishes in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(40); s = nano.chat(40, 'messages', 'role', 'content', 'user', 'assistant', 'zebra')
for a, b in zip(r, s): a['messages'] = b['messages']
nano.write_records('a.json', r)
E
precompute a.json kd --dataset_format sharegpt
warned 'messages'
