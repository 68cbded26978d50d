#!/usr/bin/env bash
# One record a line in a file named .ndjson.
# Right: read; or refused naming the extension that does.
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 40; mv a.jsonl a.ndjson
precompute a.ndjson kd --dataset_format alpaca_chat; sane
[ "$RC" = 0 ] && { n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 40' ] && right "read: $n"; wrong "$n of 40"; }
fails 3 'jsonl'; right "exit 3: $(last)"
