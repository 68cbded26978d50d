#!/usr/bin/env bash
# Alpaca records, one a line, in a file named .txt.
# Right: read as what they are.
# Wrong: one document of everything, or refused for the name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 40; mv a.jsonl a.txt
precompute a.txt kd --dataset_format alpaca_chat
ok; n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 40' ] && right "read: $n"; wrong "$n of 40"
