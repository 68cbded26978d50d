#!/usr/bin/env bash
# Only the test split of a data set was cached by an evaluation; now train is asked for. Offline.
# Right: exit 3 naming the split or what is missing.
# Wrong: the test split is trained on.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/test.jsonl 40 aaa; echo '# talk' > d/README.md; hub_cache datasets/org/talk d
precompute org/talk kd --dataset_split train
fails "2 3" 'train|offline|not in the'; right "exit $RC: $(last)"
