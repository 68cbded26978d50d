#!/usr/bin/env bash
# UltraChat's names: train_sft-..., train_gen-..., test_sft-..., and --dataset_split train_sft.
# Right: only train_sft is read (or an error naming the split).
# Wrong: train_gen among it.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p d/data; for s in train_sft:zebra train_gen:quartz test_sft:salmon test_gen:violin; do plain d/data/${s%:*}-00000-of-00001-aa.jsonl 50 ${s#*:}; done
precompute d kd --dataset_split train_sft; sane
[ $RC = 0 ] || { has 'train_sft' && right "named: $(last)"; wrong "exit $RC: $(last)"; }
has_text kd ' quartz' && wrong "train_gen was read too"; has_text kd ' salmon' && wrong "test_sft was read too"
has_text kd ' zebra' && right "train_sft alone"; wrong "nothing of train_sft"
