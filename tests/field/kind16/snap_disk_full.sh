#!/usr/bin/env bash
# anemll_snap --output on a disk of 600 KB.
# Right: exit 3 naming the file, nothing that looks like a snap is left.
# Wrong: another code, or a half model_state_dict.pt.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir disk; unshare -m true 2>/dev/null || skip "no unshare"
run unshare -m bash -c 'mount -t tmpfs -o size=600k none disk || exit 99; "$@"; c=$?; find disk -type f -printf "LEFT %p %s\n"; exit $c' x "$BIN/anemll_snap" --checkpoint "$TRAINED" --model-id "$NANO" --fp16 --output "$T/disk/s"
[ $RC = 99 ] && skip "no tmpfs"; fails 3 'model_state_dict|disk/s'; x=$(grep '^LEFT' <<<"$OUT"); [ -z "$x" ] && right "exit 3: $(last)"; wrong "left: $x"
