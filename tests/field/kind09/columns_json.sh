#!/usr/bin/env bash
# pandas' df.to_json(): one object of columns, {"instruction": {"0": ..}, "output": {"0": ..}}.
# Right: read; or refused saying that this is columns, not records.
# Wrong: read as one strange record, or an unclear message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano, json
r = nano.alpaca(40); json.dump({k: {str(i): m[k] for i, m in enumerate(r)} for k in r[0]}, open('a.json', 'w'))
E
precompute a.json kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] && { n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 40' ] && right "read"; wrong "$n"; }
has 'a\.json' && has 'record|column|array|list|string' && right "refused: $(last)"; wrong "exit $RC: $(last)"
