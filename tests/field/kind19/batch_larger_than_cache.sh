#!/usr/bin/env bash
# --batch-size 512 with a cache of 64 sequences.
# Right: told or refused, naming batch-size or the cache's size.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --batch-size 512 --max-steps 1; warned 'batch-size|batch size|64 sequences'
