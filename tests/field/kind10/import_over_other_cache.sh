#!/usr/bin/env bash
# anemll_cache import --overwrite where DST is the .pt source folder itself.
# Right: refused, the .pt shards unchanged.
# Wrong: the source is deleted.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir c; cp "$NANO"/cache/* c/; run "$BIN/anemll_cache" import c c --overwrite; sane
[ -f c/shard_00001.pt ] && right "exit $RC, unchanged: $(last)"; wrong "exit $RC: the source is gone"
