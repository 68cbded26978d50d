#!/usr/bin/env bash
# ShareGPT with a top-level "system" beside conversations (Axolotl, LLaMA-Factory).
# Right: used, or told or refused by name.
# Wrong: dropped in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(40)
for m in r: m['system'] = 'You are a laconic zebra.'
nano.write_records('a.json', r)
E
precompute a.json kd --dataset_format sharegpt; sane
[ $RC = 0 ] && has_text kd ' laconic zebra' && right "used"
warned '\bsystem\b'
