#!/usr/bin/env bash
# --eval-text /scratch/eval.txt: rank 1's host has another version of the text.
# Right: exit 2, 3 or 4 naming the text or the ranks; or rank 0's is used by all (same figure as one rank alone).
# Wrong: a figure out of two texts, in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir h0 h1; cat "$REPO"/src/t*/README.md > h0/t.txt; cat "$REPO"/src/[a-d]*/README.md "$REPO"/src/q*/README.md > h1/t.txt
train_line --max-steps 1 --eval-ctx 32 --eval-chunks 4; printf 'exec %s --eval-text %s/h$OMPI_COMM_WORLD_RANK/t.txt\n' "${CMD[*]}" "$T" > w.sh; mpi 2 w.sh; sane
[ $RC = 0 ] || { fails "2 3 4" 'eval-text|t\.txt|text|rank'; right "exit $RC: $(last)"; }
a=$(sed -n 's/.*"text_kl_mean":\([^,}]*\).*/\1/p' out/metrics.jsonl | head -1); O=$T/o1; train --max-steps 1 --eval-ctx 32 --eval-chunks 4 --eval-text h0/t.txt; ok
b=$(sed -n 's/.*"text_kl_mean":\([^,}]*\).*/\1/p' o1/metrics.jsonl | head -1); near "$a" "$b" 1e-5 && right "rank 0's text for all ($a)"; wrong "exit 0, text KL $a, rank 0's text alone gives $b"
