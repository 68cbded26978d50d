#!/usr/bin/env bash
# The output folder lies on a disk of 3 MB; checkpoints of 3 MB each do not fit.
# Right: exit 3 naming the file; no half file under a final name, no temporaries left.
# Wrong: another code, silence, or leftovers.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir disk; train_line --max-steps 4 --output-dir "$T/disk/out"
unshare -m true 2>/dev/null || skip "no unshare"
run unshare -m bash -c 'mount -t tmpfs -o size=3m none disk || exit 99; "$@"; c=$?; find disk -type f -printf "LEFT %p %s\n"; cp -r disk copy; exit $c' x "${CMD[@]}"
[ $RC = 99 ] && skip "no tmpfs"; fails 3 '\.pt|state|disk/out'
x=$(grep '^LEFT' <<<"$OUT" | grep -E 'tmp|partial|incomplete'); [ -z "$x" ] || wrong "leftovers: $x"
for f in $(find copy -name '*.pt'); do readable $f || wrong "half a file: $f"; done; right "exit 3: $(last)"
