#!/usr/bin/env bash
# A GGUF of a long-context variant: rope.scaling.type yarn with factor 4.
# Right: told or refused, naming rope.scaling.
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.gguf_write('m.gguf', keys={'qwen3.rope.scaling.type': 'yarn', 'qwen3.rope.scaling.factor': 4.0, 'qwen3.rope.scaling.original_context_length': 128})
E
MODEL=$T/m.gguf; scratch --dry-run
warned 'rope.scaling|yarn'
