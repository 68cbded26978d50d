#!/usr/bin/env bash
# A GGUF file whose tokenizer.ggml.pre is a name that no table has.
# Right: refused naming the key and the name, and the names that are known.
# Wrong: read as another one.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json
py <<'P'
import nano
nano.gguf_write('m.gguf', {'tokenizer.ggml.pre': 'zog-bpe'})
P
MODEL=$T/m.gguf; precompute a.json kd --dataset_format alpaca_chat
fails 3 'zog-bpe'; has 'qwen2' || wrong "the known names are not said: $(last)"; right "exit 3: $(last)"
