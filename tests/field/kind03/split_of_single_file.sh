#!/usr/bin/env bash
# --dataset_split test with a data set that is the single file train.jsonl (a copied command line).
# Right: told or refused: the split asked for does not apply to a file.
# Wrong: the train file is read as if it were test, in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
plain train.jsonl 60 zebra
precompute train.jsonl kd --dataset_split test
warned 'dataset_split|split'
