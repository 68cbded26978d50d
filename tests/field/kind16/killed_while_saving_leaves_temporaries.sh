#!/usr/bin/env bash
# A run that saves at each step was killed in the middle of a save, many times; then it runs to its end.
# Right: at the end no temporaries of the killed ones are left (or told).
# Wrong: they pile up.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train_line --max-steps 1000000 --save-steps 1 --keep-checkpoints 2
for i in 1 2 3 4 5 6; do background "${CMD[@]}" --resume auto; wait_for 'ls out 2>/dev/null | grep -q checkpoint_step' 20; sleep 0.$((i * 13 % 10))7; kill -KILL $PID; wait $PID 2>/dev/null; done
n=$(find out -name '*tmp*' -o -name '*partial*' -o -name '.*[0-9]' | wc -l)
s=$(ls -d out/state/step_*[0-9] | tail -1 | sed 's/.*_0*//')
train --max-steps $((s + 6)) --save-steps 1 --keep-checkpoints 2 --resume auto; ok
x=$(find out \( -name '*tmp*' -o -name '*partial*' -o -name '.step*' \) ! -name .lock | tr '\n' ' '); [ -z "$x" ] || wrong "$n left by the killed runs, still there: $x"
[ "$(ls out/checkpoint_step*.pt | wc -l)" -le 2 ] || wrong "$(ls out/checkpoint_step*.pt | wc -l) checkpoints kept instead of 2"; right "$n leftovers of killed runs, none at the end"
