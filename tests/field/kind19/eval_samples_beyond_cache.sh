#!/usr/bin/env bash
# --eval-samples 4000 with 64 sequences.
# Right: told or refused, naming eval-samples (or 64).
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --eval-samples 4000 --max-steps 1; warned 'eval-samples|64 '
