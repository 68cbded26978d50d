#!/usr/bin/env bash
# ShareGPT of LLaMA-Factory: roles function_call and observation beside human and gpt.
# Right: told or refused, naming the roles.
# Wrong: they are turned into something else in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(40)
for m in r[::2]: m['conversations'][1:1] = [{'from': 'function_call', 'value': '{"name": "lookup", "arguments": {}}'}, {'from': 'observation', 'value': '42 zebras'}]
nano.write_records('a.json', r)
E
precompute a.json kd --dataset_format sharegpt
warned 'function_call|observation'
