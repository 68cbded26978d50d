#!/usr/bin/env bash
# One of 60 records was pasted out of a latin-1 document: a byte that is not UTF-8.
# Right: the others are used and the record is told with file and line.
# Wrong: the run ends, or silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 60
py <<'E'
l = open('a.jsonl', 'rb').read().split(b'\n'); l[30] = l[30].replace(b'river', b'rivi\xe8re', 1).replace(b'Explain', b'Expliqu\xe9', 1); open('a.jsonl', 'wb').write(b'\n'.join(l))
E
precompute a.jsonl kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] || wrong "one record of 60 ends the run: $(last)"
has 'a\.jsonl:31|line 31|1 record|UTF-8' && right "told"; wrong "silence"
