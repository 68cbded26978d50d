#!/usr/bin/env bash
# The tensors lie in the file in the reverse order, and the norms are F32 beside BF16 matrices.
# Right: exit 0.
# Wrong: refused.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'P'
import nano
t, meta = nano.st_read('m/model.safetensors')
wide = lambda b: b''.join(b'\0\0' + b[i:i + 2] for i in range(0, len(b), 2))
t = {k: ('F32', s, wide(b)) if d == 'BF16' and len(s) == 1 else (d, s, b) for k, (d, s, b) in reversed(list(t.items()))}
nano.st_write('m/model.safetensors', t, meta)
P
MODEL=$T/m; scratch --dry-run
ok; right "read"
