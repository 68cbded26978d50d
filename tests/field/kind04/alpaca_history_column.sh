#!/usr/bin/env bash
# Alpaca records with a column "history": earlier question and answer pairs (LLaMA-Factory).
# Right: used, or told or refused by name.
# Wrong: earlier turns vanish in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.alpaca(40)
for m in r: m['history'] = [['What is a zebra?', 'A striped quartz.']]
nano.write_records('a.json', r)
E
precompute a.json kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] && has_text kd ' striped quartz' && right "used"
warned 'history'
