#!/usr/bin/env bash
# A part of a cached data set is empty (disk full), another one whole. Offline.
# Right: exit 3 naming the part.
# Wrong: the cache is made of the other part in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p d/train; plain d/train/a.jsonl 40 aaa; plain d/train/b.jsonl 40 bbb; hub_cache datasets/org/talk d
: > "$(readlink -f hub/datasets--org--talk/snapshots/*/train/b.jsonl)"
precompute org/talk kd
fails 3 'train/b\.jsonl'; right "exit 3: $(last)"
