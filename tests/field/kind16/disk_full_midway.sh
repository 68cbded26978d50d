#!/usr/bin/env bash
# The disk fills during the run: the first checkpoints fit, a later one does not.
# Right: exit 3 naming the file, best_state_dict.pt and the earlier checkpoint are whole.
# Wrong: another code, or a damaged earlier file.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir disk; train_line --max-steps 20 --save-steps 4 --output-dir "$T/disk/out"
unshare -m true 2>/dev/null || skip "no unshare"
run unshare -m bash -c 'mount -t tmpfs -o size=14m none disk || exit 99; "$@"; c=$?; find disk -type f -printf "LEFT %p %s\n"; cp -r disk copy; exit $c' x "${CMD[@]}"
[ $RC = 99 ] && skip "no tmpfs"; [ $RC = 0 ] && skip "all fitted"; fails 3 '\.pt|state|disk/out'
x=$(grep '^LEFT' <<<"$OUT" | grep -E 'tmp|partial|incomplete'); [ -z "$x" ] || wrong "leftovers: $x"
[ -s copy/out/best_state_dict.pt ] || wrong "no best_state_dict.pt"; for f in $(find copy -name '*.pt'); do readable $f || wrong "half a file: $f"; done; right "exit 3: $(last)"
