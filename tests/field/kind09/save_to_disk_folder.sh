#!/usr/bin/env bash
# The folder of datasets.save_to_disk: data-00000-of-00001.arrow, dataset_info.json, state.json.
# Right: refused, naming the .arrow file or the type (or read).
# Wrong: state.json is taken for the data set and blamed.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; head -c 5000 /dev/urandom > d/data-00000-of-00001.arrow
echo '{"_data_files":[{"filename":"data-00000-of-00001.arrow"}],"_fingerprint":"abc","_split":"train"}' > d/state.json; echo '{"features":{}}' > d/dataset_info.json
precompute d kd; sane
[ $RC != 0 ] && has '\.arrow' && right "named: $(last)"; wrong "exit $RC: $(last)"
