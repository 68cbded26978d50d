#!/usr/bin/env bash
# --dataset_config_name fr; the folder has en/ and de/.
# Right: exit 2 or 3 naming fr; the ones that there are help.
# Wrong: en and de are read in silence, or no name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p d/en d/de; plain d/en/train.jsonl 60 zebra; plain d/de/train.jsonl 60 quartz
precompute d kd --dataset_config_name fr; fails "2 3" "'fr'|\"fr\"|\bfr\b"; right "exit $RC: $(last)"
