#!/usr/bin/env bash
# Two files with byte order marks were joined: line 21 begins with one.
# Right: read, or a bad record that --max-bad-records 1 passes over and tells with its line.
# Wrong: the end of the run.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 20; { printf '\xef\xbb\xbf'; cat a.jsonl; printf '\xef\xbb\xbf'; cat a.jsonl; } > b.jsonl
precompute b.jsonl kd --dataset_format alpaca_chat --max-bad-records 1; sane
[ "$RC" = 0 ] || wrong "exit $RC: $(last)"
n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 40' ] && right "read: $n"
[ "$n" = '"documents": 39' ] && has 'b\.jsonl:21' && right "told: b.jsonl:21"; wrong "$n"
