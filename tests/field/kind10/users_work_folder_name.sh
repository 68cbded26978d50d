#!/usr/bin/env bash
# A folder kd.precompute of the user's own (scripts, notes) stands where the program keeps its work.
# Right: refused, or the user's files are still there.
# Wrong: deleted.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir kd.precompute; echo mine > kd.precompute/notes.txt; plain a.jsonl 60 zebra
precompute a.jsonl kd; sane
[ -f kd.precompute/notes.txt ] && right "exit $RC, kept: $(last)"; wrong "exit $RC: kd.precompute/notes.txt is gone"
