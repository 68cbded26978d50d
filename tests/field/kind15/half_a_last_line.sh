#!/usr/bin/env bash
# A power cut left half of the last line in training_log.csv and in metrics.jsonl (rows of the state are whole).
# Right: the half lines go (or are completed); every line of both files can be read.
# Wrong: a new row is glued to the half one, or whole rows vanish.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 6 --logging-steps 1; ok
printf '7,1.47' >> out/training_log.csv; printf '{"kind":"train","st' >> out/metrics.jsonl
train --max-steps 9 --logging-steps 1 --resume auto; ok
py <<'E'
import sys, json
t = []
for l in open('out/training_log.csv').read().splitlines()[1:]:
    c = l.split(',')
    if len(c) != 5: print('WRONG: csv line', l); sys.exit(1)
    if c[1]: t.append(int(c[0]))
try: m = [d['step'] for d in map(json.loads, open('out/metrics.jsonl')) if d['kind'] == 'train']
except ValueError as e: print('WRONG: metrics.jsonl', e); sys.exit(1)
if t != list(range(1, 10)) or m != t: print('WRONG: csv', t, 'metrics', m); sys.exit(1)
E
[ $? = 0 ] && right "whole lines, 1 to 9"; exit 1
