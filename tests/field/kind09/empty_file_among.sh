#!/usr/bin/env bash
# One of three .jsonl files is empty (a worker wrote no record).
# Right: the other two are used, the empty one is told (or simply has nothing).
# Wrong: the run ends.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/part-0.jsonl 40 zebra; : > d/part-1.jsonl; plain d/part-2.jsonl 40 quartz
precompute d kd; sane
[ $RC = 0 ] || wrong "an empty file ends the run: $(last)"; has_text kd ' quartz' && right "the others are used"; wrong "part-2 missing"
