#!/usr/bin/env bash
# gate_proj and up_proj lie in one tensor gate_up_proj, as some programs save Llama-like models.
# Right: read, or refused naming gate_up_proj.
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'P'
import nano
t, meta = nano.st_read('m/model.safetensors')
for k in [k for k in t if 'gate_proj' in k]:
    d, s, a = t.pop(k); _, _, b = t.pop(k.replace('gate_proj', 'up_proj'))
    t[k.replace('gate_proj', 'gate_up_proj')] = (d, [2 * s[0], s[1]], a + b)
nano.st_write('m/model.safetensors', t, meta)
P
MODEL=$T/m; scratch --dry-run; sane
[ "$RC" = 0 ] && right "read"
fails 3 'gate_up_proj'; right "exit 3: $(last)"
