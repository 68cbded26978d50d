#!/usr/bin/env bash
# Killed after a new best was written but before the next state: the state's best_loss is older (worse) than the file.
# Right: after the resume, whose steps never get as good, the file kept is the better one and best_loss says so (or told).
# Wrong: the better file is overwritten by a worse one, or figure and file differ.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}" --max-steps 4 --save-steps 4; ok; cp -r out/state st; cp out/training_log.csv l; cp out/metrics.jsonl m
train "${LEARN[@]}" --max-steps 24 --eval-steps 4 --resume auto; ok; good=$(summary best_loss)
rm -rf out/state out/v2_*; cp -r st out/state; cp l out/training_log.csv; cp m out/metrics.jsonl   # as if killed before step 24's state
train "${LEARN[@]}" --lr 1e-5 --max-steps 6 --eval-steps 1 --resume auto; sane
[ $RC = 0 ] || { has 'best' && right "named: $(last)"; wrong "exit $RC: $(last)"; }
a=$(summary best_loss); for f in $(find out -name '*.pt' ! -name 'v2_*' | grep -i best); do b=$(loss_of $f); near "$b" "$good" && kept=1; [ $f = out/best_state_dict.pt ] && c=$b; done
[ -n "${kept:-}" ] || wrong "the best ($good) was overwritten by a worse one ($c)"
near "$a" "$c" && right "kept; best_loss $a, the file scores $c"; has 'warning.*best' && right "told"; wrong "best_loss $a, the file scores $c"
