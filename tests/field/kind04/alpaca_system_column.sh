#!/usr/bin/env bash
# Alpaca records with a column "system" (LLaMA-Factory) that says how to answer.
# Right: used, or told or refused by name.
# Wrong: every system prompt vanishes in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.alpaca(40)
for m in r: m['system'] = 'You are a laconic zebra.'
nano.write_records('a.json', r)
E
precompute a.json kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] && has_text kd ' laconic zebra' && right "used"
warned 'system'
