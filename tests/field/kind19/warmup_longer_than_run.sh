#!/usr/bin/env bash
# --warmup-steps 1000 --max-steps 4: the rate never gets near --lr.
# Right: told or refused, naming warmup.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --warmup-steps 1000; warned 'warm.?up'
