#!/usr/bin/env bash
# An untied fine-tune: lm_head.weight differs from the embedding, config.json still says tie_word_embeddings true.
# Right: told or refused naming lm_head (transformers would tie; others load it): the two heads were compared.
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'E'
import nano
nano.add_tensors('m', {'lm_head.weight': ('BF16', [4096, 64], nano.ramp([4096, 64], 0.1))})
E
MODEL=$T/m; scratch --dry-run
warned 'lm_head|tie_word'
