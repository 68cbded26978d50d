#!/usr/bin/env bash
# The same file with a lm_head.weight that is a copy of the embedding (save_model without shared tensors).
# Right: it is compared, found equal, and the model is used without complaint.
# Wrong: refused.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'E'
import nano
t,_ = nano.st_read('m/model.safetensors')
nano.add_tensors('m', {'lm_head.weight': t['model.embed_tokens.weight']})
E
MODEL=$T/m; scratch --dry-run
ok; right "an equal head is taken"
