#!/usr/bin/env bash
# A .jsonl.xz with one torn line among 40.
# Right: --max-bad-records 1 passes over it and tells the line; without it exit 3 with a command that shows the line.
# Wrong: anything else.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'P'
import nano, lzma, json
lines = [json.dumps(r) for r in nano.alpaca(40)]; lines[6] = lines[6][:30]
open('a.jsonl.xz', 'wb').write(lzma.compress('\n'.join(lines).encode()))
P
precompute a.jsonl.xz kd --dataset_format alpaca_chat
fails 3 'a\.jsonl\.xz:7'; precompute a.jsonl.xz kd2 --dataset_format alpaca_chat --max-bad-records 1
ok; has 'a\.jsonl\.xz:7' || wrong "not told: $(last)"; right "line 7 is passed over and told"
