#!/usr/bin/env bash
# --dataset_split 'train[:10%]', as people write for the hub library.
# Right: a tenth is read, or an error naming it.
# Wrong: everything (or nothing) in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/train.jsonl 60 zebra
precompute d kd --dataset_split 'train[:10%]'; sane
[ $RC = 0 ] && [ "$(grep -o '"documents": [0-9]*' kd/index.json)" = '"documents": 6' ] && right "a tenth"
warned 'train\[:10%\]|split'
