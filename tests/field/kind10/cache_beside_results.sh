#!/usr/bin/env bash
# The output folder has a kd_cache folder that the user made by anemll_precompute there; training a .pt cache imports into OUTPUT/kd_cache.
# Right: refused, or the user's cache is still there.
# Wrong: replaced.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir out; plain a.jsonl 60 zebra; precompute a.jsonl out/kd_cache; ok; a=$(sha256sum < out/kd_cache/shard_00000.h5)
O=$T/out; train; sane
find out* -type f -exec sha256sum {} + | grep -q "${a%% *}" && right "exit $RC, kept: $(last)"; wrong "exit $RC: the user's cache in out/kd_cache was replaced"
