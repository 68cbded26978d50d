#!/usr/bin/env bash
# A model cloned by git without git-lfs: model.safetensors is a pointer of 130 bytes.
# Right: exit 3 naming Git LFS.
# Wrong: a message about a header or bytes.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 1503300328\n' 0 > m/model.safetensors
MODEL=$T/m; scratch --dry-run
fails 3 'lfs'; right "exit 3: $(last)"
