#!/usr/bin/env bash
# --v2-checkpoint names a safetensors file whose name ends in .pt.
# Right: read, or refused as a safetensors file.
# Wrong: "damaged", or a message about pickles.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cp "$NANO/model.safetensors" x.pt; CKPT=$T/x.pt; train --dry-run; sane
[ "$RC" = 0 ] && wrong "read as a checkpoint"
fails "2 3" 'safetensors'; right "exit $RC: $(last)"
