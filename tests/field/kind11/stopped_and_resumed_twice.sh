#!/usr/bin/env bash
# TERM, resume, TERM, resume (a queue of short jobs), evaluations in between.
# Right: at the end best_loss is the smallest evaluation in metrics.jsonl and the file scores so.
# Wrong: figure, log and file differ.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; for i in 1 2; do train_line "${LEARN[@]}" --max-steps 100000 --eval-steps 3 --resume auto; background "${CMD[@]}"; n=$(grep -c '"eval"' out/metrics.jsonl 2>/dev/null); n=${n:-0}
wait_for '[ "$(grep -c "\"eval\"" out/metrics.jsonl 2>/dev/null || echo 0)" -ge $((n + 4)) ]' 30; kill -TERM $PID; ends 10; [ $RC = 75 ] || wrong "exit $RC on TERM"; done
s=$(ls -d out/state/step_*[0-9] | tail -1 | sed 's/.*_0*//'); train "${LEARN[@]}" --max-steps $((s + 4)) --eval-steps 3 --resume auto; ok
a=$(summary best_loss) b=$(loss_of out/best_state_dict.pt) c=$(sed -n 's/.*"kind":"eval".*"loss":\([0-9.e-]*\),"best.*/\1/p' out/metrics.jsonl | sort -g | head -1)
near "$a" "$b" && near "$a" "$c" && right "best_loss $a, file $b, log $c"; wrong "best_loss $a, file $b, log $c"
