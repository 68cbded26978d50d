#!/usr/bin/env bash
# A dataset snapshot of two parts, the second part's link dangles (blob pruned); names are not of the -of- form. Offline.
# Right: exit 3 naming the part.
# Wrong: the cache is made of half of the data in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/train_a.jsonl 40 aaa; plain d/train_b.jsonl 40 bbb; hub_cache datasets/org/talk d
rm "$(readlink -f hub/datasets--org--talk/snapshots/*/train_b.jsonl)"
precompute org/talk kd
fails 3 'train_b'; right "exit 3: $(last)"
