#!/usr/bin/env bash
# OpenAI-style messages: the assistant's turn has content null and tool_calls; the tool's answer follows.
# Right: told or refused, naming tool_calls (or rendered).
# Wrong: the calls vanish in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(40, 'messages', 'role', 'content', 'user', 'assistant')
for m in r[::2]: m['messages'][1:2] = [{'role': 'assistant', 'content': None, 'tool_calls': [{'id': 'c1', 'type': 'function', 'function': {'name': 'lookup', 'arguments': '{"q": "zebra"}'}}]}, {'role': 'tool', 'tool_call_id': 'c1', 'content': 'found'}, {'role': 'assistant', 'content': 'Here it is.'}]
nano.write_records('a.jsonl', r)
E
precompute a.jsonl kd --dataset_format sharegpt
warned 'tool_call'
