#!/usr/bin/env bash
# --dataset_split train+validation.
# Right: both are read, or an error naming it.
# Wrong: one of the two in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/train.jsonl 60 zebra; plain d/validation.jsonl 60 quartz
precompute d kd --dataset_split train+validation; sane
[ $RC = 0 ] && has_text kd ' zebra' && has_text kd ' quartz' && right "both"
warned 'train\+validation'
