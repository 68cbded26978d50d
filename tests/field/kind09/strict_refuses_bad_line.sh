#!/usr/bin/env bash
# --strict with one cut line at the end of a .jsonl: for those who want an error.
# Right: exit 3 naming file and line.
# Wrong: no such option, or exit 0.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 60; head -c -60 a.jsonl > b.jsonl
precompute b.jsonl kd --dataset_format alpaca_chat --strict; fails 3 'b\.jsonl'; right "exit $RC: $(last)"
