#!/usr/bin/env bash
# A user's script appends its own lines ({"kind":"note",...}) to metrics.jsonl while the run is at work; stop, resume.
# Right: the notes stay, the run's lines are 1 to 9 once each, every line is JSON.
# Wrong: the run's lines are cut by count, or the notes vanish.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 6 --logging-steps 1; ok
sed -i '2s/$/\n{"kind":"note","text":"gpu fan loud"}/; 4s/$/\n{"kind":"note","text":"lunch"}/' out/metrics.jsonl
train --max-steps 9 --logging-steps 1 --resume auto; ok
py <<'E'
import sys, json
try: d = [json.loads(l) for l in open('out/metrics.jsonl')]
except ValueError as e: print('WRONG:', e); sys.exit(1)
t = [x['step'] for x in d if x['kind'] == 'train']; n = [x for x in d if x['kind'] == 'note']
if t != list(range(1, 10)): print('WRONG: steps', t); sys.exit(1)
if len(n) != 2: print('WRONG: %d of 2 notes left' % len(n)); sys.exit(1)
E
[ $? = 0 ] && right "1 to 9 once each, both notes stay"; exit 1
