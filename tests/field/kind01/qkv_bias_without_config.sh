#!/usr/bin/env bash
# A Qwen2-like fine-tune stored q/k/v biases, but config.json says attention_bias false (renamed model_type).
# Right: the bias tensors are used, or told by name (or refused): a model without its biases is another model.
# Wrong: exit 0 without a word of them.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'E'
import nano
nano.add_tensors('m', {'model.layers.%d.self_attn.%s_proj.bias' % (l, p): ('BF16', [n], nano.ramp([n])) for l in (0, 1) for p, n in (('q', 128), ('k', 64), ('v', 64))})
E
MODEL=$T/m; scratch --dry-run
warned 'bias'
