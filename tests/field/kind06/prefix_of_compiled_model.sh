#!/usr/bin/env bash
# Every tensor's name begins with _orig_mod., as a compiled model saves itself.
# Right: read (the rest of the names is the model's), or refused naming the prefix or such a name, without "different models".
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'P'
import nano
t, meta = nano.st_read('m/model.safetensors'); nano.st_write('m/model.safetensors', {'_orig_mod.' + k: v for k, v in t.items()}, meta)
P
MODEL=$T/m; scratch --dry-run; sane
[ "$RC" = 0 ] && right "read"
has 'different models' && wrong "$(last)"; fails 3 '_orig_mod'; right "exit 3: $(last)"
