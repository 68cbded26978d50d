#!/usr/bin/env bash
# --overwrite over a finished cache into which the user put notes.txt and a sub-folder of plots.
# Right: refused, or the user's files are still there.
# Wrong: they are deleted.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
plain a.jsonl 60 zebra; precompute a.jsonl kd; ok; mkdir kd/plots; echo x > kd/plots/p.svg; echo mine > kd/notes.txt
precompute a.jsonl kd --seed 3 --overwrite; sane
[ -f kd/notes.txt ] && [ -f kd/plots/p.svg ] && right "exit $RC, kept: $(last)"; wrong "exit $RC: the user's files are gone"
