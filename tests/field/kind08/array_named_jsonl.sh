#!/usr/bin/env bash
# A JSON array behind white space and a byte order mark, in a file named .jsonl.
# Right: read as the array it is.
# Wrong: "line 1 is bad".
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json 40; { printf '\xef\xbb\xbf\n\n  '; cat a.json; } > b.jsonl
precompute b.jsonl kd --dataset_format alpaca_chat
ok; n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 40' ] && right "read: $n"; wrong "$n of 40"
