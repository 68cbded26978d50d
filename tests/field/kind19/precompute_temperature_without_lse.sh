#!/usr/bin/env bash
# --train_temperature 1.5 with --payload topk: nothing is stored at that temperature.
# Right: told or refused, naming train_temperature.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
plain a.jsonl 60 zebra; precompute a.jsonl kd --payload topk --train_temperature 1.5; warned 'train_temperature'
