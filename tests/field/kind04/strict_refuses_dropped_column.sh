#!/usr/bin/env bash
# --strict with Alpaca records that have a column "history": for those who want an error.
# Right: exit 3 (or 2) naming history; or it is used.
# Wrong: no such option, or exit 0 without it.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.alpaca(40)
for m in r: m['history'] = [['What is a zebra?', 'A striped quartz.']]
nano.write_records('a.json', r)
E
precompute a.json kd --dataset_format alpaca_chat --strict; [ "$RC" = 0 ] && has_text kd ' striped quartz' && right "used"
fails "2 3" 'history'; right "exit $RC: $(last)"
