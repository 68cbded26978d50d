#!/usr/bin/env bash
# A GGUF whose tokenizer wants a BOS before each text (add_bos_token true, bos id given); llama.cpp would add it.
# Right: told or refused, naming add_bos_token or BOS.
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json 40
py <<'E'
import nano
nano.gguf_write('m.gguf', keys={'tokenizer.ggml.add_bos_token': True, 'tokenizer.ggml.bos_token_id': 4087})
E
MODEL=$T/m.gguf; precompute a.json kd --dataset_format alpaca_chat
warned 'bos'
