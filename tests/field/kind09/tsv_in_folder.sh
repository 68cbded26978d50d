#!/usr/bin/env bash
# A folder that holds nothing but train.tsv.
# Right: read; or refused naming the file or the type.
# Wrong: "no data files" without saying what is there.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; printf 'text\n' > d/train.tsv; for i in $(seq 60); do echo "the zebra number $i walks past the old river house"; done >> d/train.tsv
precompute d kd; sane
[ $RC = 0 ] && right "read"; has 'tsv' && right "named: $(last)"; wrong "exit $RC: $(last)"
