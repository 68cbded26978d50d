#!/usr/bin/env bash
# Every fifth of 60 records is bad in one of three ways; the user wants to know how many, not twelve screens.
# Right: the 48 are used, and the number of those left out (12) is told.
# Wrong: the run ends, or silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 60
py <<'E'
l = open('a.jsonl').read().splitlines()
for k, i in enumerate(range(0, 60, 5)): l[i + 1 if i < 59 else i] = ['{"instruction": "x", "output": 7}', '{"instruction": "x", ', '["a", "b"]'][k % 3]
open('a.jsonl', 'w').write('\n'.join(l) + '\n')
E
precompute a.jsonl kd --dataset_format alpaca_chat; sane; [ $RC = 0 ] || wrong "bad records end the run: $(last)"
n=$(grep -o '"documents": [0-9]*' kd/index.json); has '\b(12|8|4) ' && [ "${n##* }" -ge 48 ] && right "$n, told: $(grep -Ei -m1 'left out|skip|not used|warning' <<<"$OUT" | cut -c1-120)"; wrong "$n, the number is not told"
