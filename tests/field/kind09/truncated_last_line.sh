#!/usr/bin/env bash
# A .jsonl whose last line was cut when its writer was killed (or the download stopped).
# Right: the 59 whole records are used and the line is told (file:line); --strict is for who wants an error.
# Wrong: the run ends because of it, or nothing is said.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 60; head -c -60 a.jsonl > b.jsonl
precompute b.jsonl kd --dataset_format alpaca_chat; sane
[ $RC = 0 ] || wrong "one cut line ends the run: $(last)"
has 'b\.jsonl:60|line 60|1 record|cut|truncated' && right "told: $(grep -Ei 'b.jsonl:60|line 60|1 record|cut' <<<"$OUT" | head -1 | cut -c1-140)"
wrong "exit 0, the line vanished in silence"
