#!/usr/bin/env bash
# R1-style messages: the assistant's turn has reasoning_content beside content; --enable_thinking true.
# Right: rendered as a think block, or told or refused by name.
# Wrong: the reasoning vanishes in silence although thinking was asked for.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(40, 'messages', 'role', 'content', 'user', 'assistant')
for m in r: m['messages'][-1]['reasoning_content'] = 'Let me think of zebra stripes first.'
nano.write_records('a.jsonl', r)
E
precompute a.jsonl kd --dataset_format sharegpt --enable_thinking true; sane
[ $RC = 0 ] && has_text kd ' zebra stripes' && right "used"
warned 'reasoning_content'
