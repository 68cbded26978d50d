#!/usr/bin/env bash
# A GGUF of the nano model with nothing odd in it (control of the three above).
# Right: exit 0.
# Wrong: refused.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json 40
py <<'E'
import nano
nano.gguf_write('m.gguf')
E
MODEL=$T/m.gguf; precompute a.json kd --dataset_format alpaca_chat
ok; right "a plain GGUF is taken"
