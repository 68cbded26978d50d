#!/usr/bin/env bash
# The same folder without --dataset_split: train_sft and train_gen both have the word train.
# Right: told which files were taken (or refused, listing the splits).
# Wrong: two different splits mixed without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p d/data; for s in train_sft:zebra train_gen:quartz test_sft:salmon test_gen:violin; do plain d/data/${s%:*}-00000-of-00001-aa.jsonl 50 ${s#*:}; done
precompute d kd; sane
[ $RC = 0 ] && has_text kd ' salmon' && wrong "the test split is trained on"
has 'train_gen|train_sft' && right "told: exit $RC"
[ $RC = 0 ] && has_text kd ' quartz' && has_text kd ' zebra' && wrong "exit 0, train_sft and train_gen mixed without a word"
wrong "exit $RC, neither named"
