#!/usr/bin/env bash
# OpenHermes-2.5 keeps the system message in a column system_prompt beside conversations.
# Right: used, or told or refused by name.
# Wrong: dropped in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(40)
for m in r: m['system_prompt'] = 'You are a laconic zebra.'
nano.write_records('a.json', r)
E
precompute a.json kd --dataset_format openhermes; sane
[ $RC = 0 ] && has_text kd ' laconic zebra' && right "used"
warned 'system_prompt'
