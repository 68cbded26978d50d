#!/usr/bin/env bash
# Teacher folder and data set file have latin-1 names; index.json and plan.json carry their paths.
# Right: exit 0 and good JSON (or an error naming the path).
# Wrong: "unexpected" errors, or a broken index.json.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
m=$'mod\xe8le'; model "$T/$m"; plain a.jsonl 60 zebra; mv a.jsonl $'donn\xe9es.jsonl'
MODEL=$T/$m; precompute $'donn\xe9es.jsonl' kd; sane; [ $RC = 0 ] || { has 'donn|mod' && right "named, exit $RC"; wrong "exit $RC: $(last)"; }
python3 -c 'import json;json.loads(open("kd/index.json","rb").read().decode())' 2>/dev/null || wrong "index.json is no UTF-8 JSON"; run "$BIN/anemll_cache" info kd --json; ok; python3 -c 'import json,sys;json.loads(open(".out","rb").read().decode())' 2>/dev/null && right "good JSON"; wrong "info --json is no JSON"
