#!/usr/bin/env bash
# Only the configuration de of a data set is cached; en is asked for. Offline.
# Right: exit 2 or 3 naming en or what is missing.
# Wrong: de is read as if it were en.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p d/de; plain d/de/train-00000-of-00001.jsonl 40 zebra; hub_cache datasets/org/talk d
precompute org/talk kd --dataset_config_name en; fails "2 3" '\ben\b|configuration|config'; right "exit $RC: $(last)"
