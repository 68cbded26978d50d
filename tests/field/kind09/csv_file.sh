#!/usr/bin/env bash
# The data set is a .csv with the header instruction,input,output (Kaggle, spreadsheets), quoted line breaks inside.
# Right: read; or refused naming the file and what to do (convert to .jsonl).
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano, csv
w = csv.DictWriter(open('a.csv', 'w', newline=''), ['instruction', 'input', 'output']); w.writeheader()
for r in nano.alpaca(60): r['output'] += '\nsecond "line"'; w.writerow(r)
E
precompute a.csv kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] && { n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 60' ] && right "read: $n"; wrong "$n of 60"; }
has 'a\.csv' && has 'jsonl|parquet|convert' && right "refused: $(last)"; wrong "exit $RC: $OUT"
