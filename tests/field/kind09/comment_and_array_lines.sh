#!/usr/bin/env bash
# A hand-made .jsonl with a comment line on top and one line that holds an array of two records.
# Right: the good records are used and the odd lines told with file and line.
# Wrong: the run ends, or silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 60; { echo '# exported 2025-03-01 by kim'; cat a.jsonl; echo '[{"instruction":"a","output":"b"},{"instruction":"c","output":"d"}]'; } > b.jsonl
precompute b.jsonl kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] || wrong "a comment line ends the run: $(last)"
has 'b\.jsonl:1\b|line 1\b|[12] (record|line)s?' && right "told"; wrong "silence"
