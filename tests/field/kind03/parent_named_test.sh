#!/usr/bin/env bash
# The data set lies under .../test_runs/dev/mydata/, whose words are no splits of it.
# Right: read as train.
# Wrong: refused, or taken for another split.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p test_runs/dev/mydata; plain test_runs/dev/mydata/records.jsonl 60 zebra
precompute "$T/test_runs/dev/mydata" kd
ok; has_text kd ' zebra' && right "read"; wrong "not read"
