#!/usr/bin/env bash
# A folder kd.partial of the user's own stands where anemll_cache import writes.
# Right: refused, or kept.
# Wrong: deleted.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir kd.partial; echo mine > kd.partial/notes.txt
run "$BIN/anemll_cache" import "$NANO/cache" kd; sane
[ -f kd.partial/notes.txt ] && right "exit $RC, kept: $(last)"; wrong "exit $RC: kd.partial/notes.txt is gone"
