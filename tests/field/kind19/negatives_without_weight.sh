#!/usr/bin/env bash
# --sampled-negatives 512 without --sampled-ce-weight.
# Right: told or refused, naming sampled-negatives.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --sampled-negatives 512; warned 'sampled-negatives'
