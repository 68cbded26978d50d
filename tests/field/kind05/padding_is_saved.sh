#!/usr/bin/env bash
# tokenizer.json holds a padding setting, as a batch of a training script leaves it. Nobody asked for padding.
# Right: the ids of the tokenizer without it; a line that tells it is welcome.
# Wrong: refused, or other ids.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; json_set m/tokenizer.json "d['padding']={'strategy':{'Fixed':64},'direction':'Right','pad_to_multiple_of':None,'pad_id':0,'pad_type_id':0,'pad_token':'<pad>'}"
same_ids m
