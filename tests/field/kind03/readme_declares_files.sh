#!/usr/bin/env bash
# The data set's README.md (YAML) declares clean/*.jsonl as its train split; raw/*.jsonl lies beside it.
# Right: only clean is read, or it is told that the README's configurations are not what was read.
# Wrong: raw records are trained on in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p d/clean d/raw; plain d/clean/a.jsonl 60 zebra; plain d/raw/a.jsonl 60 quartz
printf -- '---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: clean/*.jsonl\n---\n# talk\n' > d/README.md
precompute d kd; sane
[ $RC = 0 ] && ! has_text kd ' quartz' && has_text kd ' zebra' && right "reads what is declared"
warned 'README|configs|raw'
