#!/usr/bin/env bash
# pandas wrote NaN for empty inputs ({"input": NaN}), in every second record.
# Right: taken as empty.
# Wrong: the run ends.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.alpaca(60)
for m in r[1::2]: m['input'] = float('nan')
nano.write_records('a.jsonl', r)
E
precompute a.jsonl kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] || wrong "exit $RC: $(last)"
n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 60' ] && right "$n"
has 'NaN|input|30 record' && right "told: $n"; wrong "$n of 60, in silence"
