#!/usr/bin/env bash
# Messages with the newer role "developer" in place of system.
# Right: a system turn, or told or refused naming the role.
# Wrong: a user turn (or nothing) in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(40, 'messages', 'role', 'content', 'user', 'assistant')
for m in r: m['messages'].insert(0, {'role': 'developer', 'content': 'You are a laconic zebra.'})
nano.write_records('a.jsonl', r)
E
precompute a.jsonl kd --dataset_format sharegpt; sane
[ $RC = 0 ] && has_text kd $'<|im_start|>system\nYou are a laconic zebra' && right "a system turn"
warned 'developer'
