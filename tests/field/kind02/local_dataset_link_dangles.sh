#!/usr/bin/env bash
# A local folder of data: one of two files is a link that leads nowhere.
# Right: exit 3 naming the file (or told).
# Wrong: the cache is made of the other file in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p d/train; plain d/train/a.jsonl 40 aaa; ln -s "$T/gone.jsonl" d/train/b.jsonl
precompute "$T/d" kd
warned 'train/b\.jsonl'
