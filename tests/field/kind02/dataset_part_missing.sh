#!/usr/bin/env bash
# A dataset snapshot of two parts, the second part's link dangles (blob pruned); names are not of the -of- form. Offline.
# Right: exit 3 naming the part.
# Wrong: the cache is made of half of the data in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p d/train; plain d/train/a.jsonl 40 aaa; plain d/train/b.jsonl 40 bbb; hub_cache datasets/org/talk d
rm "$(readlink -f hub/datasets--org--talk/snapshots/*/train/b.jsonl)"
precompute org/talk kd
fails 3 'train/b\.jsonl'; right "exit 3: $(last)"
