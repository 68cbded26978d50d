#!/usr/bin/env bash
# metrics.jsonl grew and was compressed away (metrics.jsonl.gz); training_log.csv is there; resume.
# Right: the CSV has 1 to 9 once each, a new metrics.jsonl has 7 to 9.
# Wrong: a failure, or rows of the CSV lost.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 6 --logging-steps 1; ok; gzip out/metrics.jsonl
train --max-steps 9 --logging-steps 1 --resume auto; ok
py <<'E'
import sys, json
t = [int(l.split(',')[0]) for l in open('out/training_log.csv') if l[0].isdigit() and l.split(',')[1]]
m = [x['step'] for x in map(json.loads, open('out/metrics.jsonl')) if x['kind'] == 'train']
if t != list(range(1, 10)) or m != [7, 8, 9]: print('WRONG: csv', t, 'metrics', m); sys.exit(1)
E
[ $? = 0 ] && [ -f out/metrics.jsonl.gz ] && right "csv 1 to 9, metrics 7 to 9"; wrong "the .gz is gone or rows are lost"
