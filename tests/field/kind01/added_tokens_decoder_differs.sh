#!/usr/bin/env bash
# tokenizer_config.json was edited: added_tokens_decoder names <|im_end|> under another id and a new special token 4095.
# Right: told or refused: the two sources of added tokens were compared (transformers takes the decoder's).
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40
json_set m/tokenizer_config.json "f=dict(lstrip=False,rstrip=False,normalized=False,single_word=False,special=True); d['added_tokens_decoder']={'4087':dict(f,content='<|endoftext|>'),'4095':dict(f,content='<|im_end|>'),'4089':dict(f,content='<|end_of_turn|>')}"
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
warned 'added_tokens_decoder|added token|<\|im_end\|>|end_of_turn'
