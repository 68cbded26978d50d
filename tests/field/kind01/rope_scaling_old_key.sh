#!/usr/bin/env bash
# config.json has both the new rope_parameters (default) and an old rope_scaling with yarn factor 4, added by hand for long context.
# Right: the contradiction is told or refused, naming rope_scaling.
# Wrong: exit 0, one of the two taken in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
json_set m/config.json "d['rope_scaling']={'type':'yarn','factor':4.0,'original_max_position_embeddings':128}"
MODEL=$T/m; scratch --dry-run
warned 'rope_scaling|yarn'
