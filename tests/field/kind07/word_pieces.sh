#!/usr/bin/env bash
# tokenizer.json is a BERT one: BertNormalizer, BertPreTokenizer, WordPiece.
# Right: refused naming one of them and what is read.
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json; json_set m/tokenizer.json "d['model']={'type':'WordPiece','unk_token':'[UNK]','continuing_subword_prefix':'##','max_input_chars_per_word':100,'vocab':{'[UNK]':0,'a':1}}; d['normalizer']={'type':'BertNormalizer','lowercase':True}; d['pre_tokenizer']={'type':'BertPreTokenizer'}"
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
fails 3 'WordPiece|Bert'; has 'BPE' || wrong "what is read is not said: $(last)"; right "exit 3: $(last)"
