#!/usr/bin/env bash
# --output_dir is the data set's own folder, with --overwrite.
# Right: refused, the data set unchanged.
# Wrong: the data set is deleted.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/train.jsonl 60 zebra; precompute d d --overwrite; sane
[ -f d/train.jsonl ] && right "exit $RC, unchanged: $(last)"; wrong "exit $RC: the data set is gone"
