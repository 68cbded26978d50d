#!/usr/bin/env bash
# train.jsonl and more.jsonl in one folder; more.jsonl names no split.
# Right: both read, or it is told that more.jsonl is left out.
# Wrong: left out in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/train.jsonl 60 zebra; plain d/more.jsonl 60 quartz
precompute d kd; sane
[ $RC = 0 ] && has_text kd ' quartz' && right "both are read"
warned 'more\.jsonl|1 (other )?file'
