#!/usr/bin/env bash
# model.safetensors says in its metadata that MLX wrote it, with keys of its own. The tensors are plain BF16.
# Right: exit 0.
# Wrong: refused by the metadata.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'P'
import nano
t, _ = nano.st_read('m/model.safetensors'); nano.st_write('m/model.safetensors', t, {'format': 'mlx', 'note': 'made by "x"', 'total_parameters': '12'})
P
MODEL=$T/m; scratch --dry-run
ok; right "read"
