#!/usr/bin/env bash
# --dataset_split validation with a quoted pattern that matches train-*.jsonl.
# Right: told or refused, naming the split.
# Wrong: exit 0 in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/train-0.jsonl 40 zebra; plain d/train-1.jsonl 40 quartz
precompute "$T/d/train-*.jsonl" kd --dataset_split validation
warned 'split'
