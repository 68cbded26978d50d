#!/usr/bin/env bash
# anemll_precompute over an existing cache ends with an error that names ways out; the user types them.
# Right: each option of the hint works when it is added.
# Wrong: following the hint fails.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
plain a.jsonl 60 zebra; precompute a.jsonl kd; ok; precompute a.jsonl kd; fails "2 3" 'kd'; h=$(grep -A3 'hint' <<<"$OUT")
n=0; for o in $(grep -oE -- '--[a-z_]+' <<<"$h" | sort -u); do case $o in --resume|--overwrite) precompute a.jsonl kd $o; [ $RC = 0 ] || wrong "the hint's $o ends with $RC: $(last)"; n=$((n + 1)) ;; --output_dir) ;; *) "$BIN/anemll_precompute" --help | grep -qe "$o" || wrong "no such option: $o" ;; esac; done
[ $n -gt 0 ] && right "$n ways of the hint work"; wrong "the hint names no way: $h"
