#!/usr/bin/env bash
# A .json file {"version": 1, "data": {"train": [records]}}, as exports of web programs are.
# Right: read; or refused naming the place.
# Wrong: one record, or none.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json 40; py <<'P'
import json
json.dump({'version': 1, 'data': {'train': json.load(open('a.json'))}}, open('b.json', 'w'))
P
precompute b.json kd --dataset_format alpaca_chat
ok; n=$(grep -o '"documents": [0-9]*' kd/index.json); [ "$n" = '"documents": 40' ] && right "read: $n"; wrong "$n of 40"
