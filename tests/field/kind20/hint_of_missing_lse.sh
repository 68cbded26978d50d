#!/usr/bin/env bash
# --kd-objective topk-tail with a cache without lse; the hint says how to make one; the user does it.
# Right: the hint names the payload lse, and a cache made that way trains.
# Wrong: no such hint, or the way fails.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --kd-objective topk-tail; fails "2 3" 'lse'; has 'payload' || wrong "the hint does not name --payload: $(grep -A2 hint <<<"$OUT")"
alpaca a.json; precompute a.json kd --dataset_format alpaca_chat --payload topk,lse; ok; CACHE=$T/kd; O=$T/o2; train --kd-objective topk-tail; ok; right "the hint's way works"
