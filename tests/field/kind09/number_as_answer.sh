#!/usr/bin/env bash
# One of 60 records has a number as its output ({"output": 42}), as arithmetic sets have.
# Right: used as text or left out, and told with file and line.
# Wrong: the run ends because of it.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.alpaca(60); r[30]['output'] = 42; nano.write_records('a.jsonl', r)
E
precompute a.jsonl kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] || wrong "one record of 60 ends the run: $(last)"
has_text kd '42<|im_end|>' && right "used as text"
has 'a\.jsonl:31|line 31|1 record|output' && right "told"; wrong "silence"
