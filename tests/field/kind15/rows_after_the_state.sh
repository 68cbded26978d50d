#!/usr/bin/env bash
# Killed at step 9 with a state of step 4: the log has rows beyond the state.
# Right: after the resume steps 1 to 9 stand there once each.
# Wrong: doubled, missing or mixed.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train_line --max-steps 1000000 --logging-steps 1 --save-steps 4 --keep-checkpoints 1
background "${CMD[@]}"; wait_for '[ -d out/state/step_00000004 ] && grep -q "^7," out/training_log.csv 2>/dev/null' 30 || skip "no state"; kill -KILL $PID; wait $PID 2>/dev/null
n=$(($(sed 's/[^0-9]//g' <<<"$(ls -d out/state/step_*[0-9] | tail -1 | sed 's/.*_//')" | sed 's/^0*//') + 5))
train --max-steps $n --logging-steps 1 --resume auto; ok
py $n <<'E'
import sys, json
n = int(sys.argv[1])
t = [int(l.split(',')[0]) for l in open('out/training_log.csv') if l[0].isdigit() and l.split(',')[1]]
m = [d['step'] for d in map(json.loads, open('out/metrics.jsonl')) if d['kind'] == 'train']
for name, x in (('csv', t), ('metrics', m)):
    if x != list(range(1, n + 1)): print('WRONG: %s has steps %s' % (name, x)); sys.exit(1)
E
[ $? = 0 ] && right "1 to $n once each, in both files"; exit 1
