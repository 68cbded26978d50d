#!/usr/bin/env bash
# The first record of a .jsonl lacks the key "output" (or the fields of the others): a header record {"version": 3}.
# Right: it is left out and told; the other 60 are used.
# Wrong: the run ends because of the first record.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 60; { echo '{"version": 3, "license": "cc-by"}'; cat a.jsonl; } > b.jsonl
precompute b.jsonl kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] || wrong "one record of 61 ends the run: $(last)"
has 'b\.jsonl:1\b|line 1\b|1 record|version' && right "told"; wrong "silence"
