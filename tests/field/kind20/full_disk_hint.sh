#!/usr/bin/env bash
# The disk is full (tmpfs of 3 MB) while a checkpoint is written.
# Right: the message or hint speaks of space.
# Wrong: "check that the path exists and is reachable".
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir disk; unshare -m true 2>/dev/null || skip "no unshare"; train_line --output-dir "$T/disk/out"
run unshare -m bash -c 'mount -t tmpfs -o size=3m none disk || exit 99; exec "$@"' x "${CMD[@]}"; [ $RC = 99 ] && skip "no tmpfs"
fails 3 'disk/out'; has 'space|free|full' && right "$(last)"; wrong "$(last) $(grep -A1 hint <<<"$OUT" | tr '\n' ' ')"
