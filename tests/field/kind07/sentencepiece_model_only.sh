#!/usr/bin/env bash
# The folder has tokenizer.model (SentencePiece) and no tokenizer.json.
# Right: refused naming tokenizer.json, with a command that makes it.
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json; rm m/tokenizer.json; printf '\n\016\n\005<unk>\025\0\0\0\0' > m/tokenizer.model
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
fails 3 'tokenizer\.json'; has 'save_pretrained|python3|hf download' || wrong "no way on: $(last)"; right "exit 3: $(last)"
