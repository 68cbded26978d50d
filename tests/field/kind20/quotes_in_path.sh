#!/usr/bin/env bash
# Folders named by people: 'run "A" \ 100%', with quotes, a backslash and a line feed.
# Right: exit 0 and good JSON with the true path.
# Wrong: broken JSON or a failure.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/$'run "A" \\ 100%\nnew'; mkdir -p "$O"; train --output-dir "$O"; ok; cp -r "$NANO/cache" "$T/c \"x\""
py "$O" <<'E'
import sys, os, json
for at, _, files in os.walk(sys.argv[1]):
    for f in files:
        p = os.path.join(at, f)
        try:
            if f.endswith('.json'): json.load(open(p))
            if f.endswith('.jsonl'): [json.loads(l) for l in open(p)]
        except ValueError as e: print('WRONG: %s: %s' % (f, e)); sys.exit(1)
E
[ $? = 0 ] || exit 1; snap "$O/best_state_dict.pt" "$O/sn\"ap" --cache-dir "$T/c \"x\""; ok; python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$O/sn\"ap/snap_report.json" 2>/dev/null && right "good JSON"; wrong "snap_report.json is no JSON"
