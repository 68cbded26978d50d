#!/usr/bin/env bash
# A gzip file whose name lost its .gz: a.csv.
# Right: read, or refused as a gzip file.
# Wrong: read as bytes of text.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'P'
import nano, csv, gzip, io
out = io.StringIO(); w = csv.DictWriter(out, ['instruction', 'input', 'output']); w.writeheader()
for r in nano.alpaca(40): w.writerow(r)
open('a.csv', 'wb').write(gzip.compress(out.getvalue().encode()))
P
precompute a.csv kd --dataset_format alpaca_chat; sane
[ "$RC" = 0 ] && { n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 40' ] && right "read: $n"; wrong "$n of 40"; }
fails 3 'gzip'; right "exit 3: $(last)"
