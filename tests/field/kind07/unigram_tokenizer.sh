#!/usr/bin/env bash
# tokenizer.json is of the type Unigram, as T5 and some Gemma-like models have it.
# Right: refused naming Unigram and what is read.
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json; json_set m/tokenizer.json "d['model']={'type':'Unigram','unk_id':0,'vocab':[['<unk>',0.0],['a',-1.0]]}"
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
fails 3 'Unigram'; has 'BPE' || wrong "what is read is not said: $(last)"; right "exit 3: $(last)"
