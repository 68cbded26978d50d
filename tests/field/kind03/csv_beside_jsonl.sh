#!/usr/bin/env bash
# faq.csv lies beside train.jsonl; half of the data is in the csv.
# Right: read, or told by name.
# Wrong: left out in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/train.jsonl 60 zebra; printf 'text\n"the quartz stone"\n' > d/faq.csv
precompute d kd; sane
[ $RC = 0 ] && has_text kd ' quartz' && right "read"
warned 'faq\.csv|\.csv'
