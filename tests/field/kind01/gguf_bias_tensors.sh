#!/usr/bin/env bash
# A GGUF with attn_q.bias and attn_k.bias tensors, as converters write for Qwen2, under the architecture qwen3.
# Right: told or refused, naming the bias tensor.
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano, struct
z = lambda n: ('F32', [n], struct.pack('<f', 0.5) * n)
nano.gguf_write('m.gguf', extra={'blk.0.attn_q.bias': z(128), 'blk.1.attn_q.bias': z(128), 'blk.0.attn_k.bias': z(64), 'blk.1.attn_k.bias': z(64)})
E
MODEL=$T/m.gguf; scratch --dry-run
warned 'bias'
