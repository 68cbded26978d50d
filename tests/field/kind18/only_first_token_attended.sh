#!/usr/bin/env bash
# Every row has one attended token only: no position has a next token to learn.
# Right: exit 3 (or 2), naming the mask or supervised tokens, before the first step.
# Wrong: it trains on nothing.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.masked_cache('c', {0: range(32), 1: range(32)}, keep=1)
E
CACHE=$T/c; train; fails "2 3" 'mask|supervised|tokens'; right "exit $RC: $(last)"
