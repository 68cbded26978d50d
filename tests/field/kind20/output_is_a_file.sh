#!/usr/bin/env bash
# --output-dir names an existing file (out.txt of a redirected log).
# Right: exit 2 or 3 saying that it is a file, not a folder.
# Wrong: a hint about space, permissions or the cache.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
echo log > run; train --output-dir "$T/run"; fails "2 3" "$T/run"; has 'is a file|not a (folder|directory)|is no folder|regular file' || wrong "exit $RC, it is not said that it is a file: $(last) $(grep -A1 hint <<<"$OUT" | tr "\n" " ")"; grep -A2 hint <<<"$OUT" | grep -Eqi 'space|quota|permission' && wrong "$(grep -A2 hint <<<"$OUT" | tr '\n' ' ')"; right "$(last)"
