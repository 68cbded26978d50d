#!/usr/bin/env bash
# vocab.json and merges.txt lie beside tokenizer.json but come from another tokenizer (slow and fast disagree).
# Right: told or refused, naming vocab.json or merges.txt.
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40
py <<'E'
import json, nano
v = json.load(open(nano.NANO + '/tokenizer.json'))['model']['vocab']
k = list(v); v[k[300]], v[k[301]] = v[k[301]], v[k[300]]
json.dump(v, open('m/vocab.json', 'w')); open('m/merges.txt', 'w').write('#version: 0.2\na b\n')
E
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
warned 'vocab\.json|merges\.txt'
