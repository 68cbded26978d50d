#!/usr/bin/env bash
# --keep-checkpoints 3 without --save-steps: nothing is ever kept.
# Right: told or refused, naming keep-checkpoints.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --keep-checkpoints 3; warned 'keep-checkpoints'
