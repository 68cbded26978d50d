#!/usr/bin/env bash
# The output folder has a name in latin-1 (a byte that is not UTF-8), as on old file servers.
# Right: every JSON file of the run can be read as UTF-8 JSON; exit 0.
# Wrong: a failure, or a JSON file that no parser takes.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/$'r\xe9sultats'; train --save-steps 2; ok
py "$O" <<'E'
import sys, os, json
for at, _, files in os.walk(os.fsencode(sys.argv[1])):
    for f in files:
        p = os.path.join(at, f)
        try:
            if f.endswith(b'.json'): json.loads(open(p, 'rb').read().decode('utf-8'))
            if f.endswith(b'.jsonl'): [json.loads(l) for l in open(p, 'rb').read().decode('utf-8').splitlines()]
        except ValueError as e: print('WRONG: %r: %s' % (f, e)); sys.exit(1)
E
[ $? = 0 ] && right "all JSON is good"; exit 1
