#!/usr/bin/env bash
# A DeepSeek-like fp8 export was cast back to bf16 by a script that left the weight_scale_inv tensors in the file.
# Right: told or refused, naming weight_scale_inv: whether they are multiplied in decides over the weights.
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'E'
import nano, struct
nano.add_tensors('m', {'model.layers.%d.mlp.%s_proj.weight_scale_inv' % (l, p): ('F32', [1, 1], struct.pack('<f', 0.25)) for l in (0, 1) for p in ('up', 'gate', 'down')})
E
MODEL=$T/m; scratch --dry-run
warned 'weight_scale_inv'
