#!/usr/bin/env bash
# --dataset_config_name de with the single file en.jsonl.
# Right: told or refused, naming the configuration.
# Wrong: exit 0 in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
plain en.jsonl 60 zebra
precompute en.jsonl kd --dataset_config_name de
warned 'dataset_config_name|configuration|config'
