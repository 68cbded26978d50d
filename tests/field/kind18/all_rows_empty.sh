#!/usr/bin/env bash
# Every row is empty: the masks were written inverted (1 for padding).
# Right: exit 3 (or 2) before the first step, naming the mask or supervised tokens.
# Wrong: it trains on nothing, or ends with 5 later.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.masked_cache('c', {0: range(32), 1: range(32)})
E
CACHE=$T/c; train; fails "2 3" 'mask|supervised|tokens'; ls out/v2_* >/dev/null 2>&1 && wrong "results were written"; right "exit $RC: $(last)"
