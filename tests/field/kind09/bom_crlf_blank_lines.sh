#!/usr/bin/env bash
# A .jsonl saved by Windows Notepad: byte order mark, CRLF, blank lines in between and at the end.
# Right: all 60 records are read.
# Wrong: refused, or fewer.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 60; { printf '\xef\xbb\xbf'; sed 's/$/\r/; 20s/$/\n\r/' a.jsonl; printf '\r\n\r\n'; } > b.jsonl
precompute b.jsonl kd --dataset_format alpaca_chat; ok
n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 60' ] && right "$n"; wrong "$n of 60"
