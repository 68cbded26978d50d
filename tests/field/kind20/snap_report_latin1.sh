#!/usr/bin/env bash
# The checkpoint's and the cache's paths have latin-1 bytes; snap_report.json names them.
# Right: exit 0 and good JSON (or an error naming the path).
# Wrong: an "unexpected" error, broken JSON.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
d=$T/$'exp\xe9'; mkdir "$d"; cp "$INIT" "$d/c.pt"; cp -r "$NANO/cache" "$d/kd"
snap "$d/c.pt" "$d/s" --cache-dir "$d/kd"; ok; python3 -c 'import json,sys; json.loads(open(sys.argv[1],"rb").read().decode())' "$d/s/snap_report.json" 2>/dev/null && right "good JSON"; wrong "snap_report.json is no UTF-8 JSON"
