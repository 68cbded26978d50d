#!/usr/bin/env bash
# --fast-init --group-size 8 --svd-floor none with --v2-checkpoint: nothing is initialised.
# Right: told or refused, naming one of them.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --fast-init --group-size 8 --svd-floor none; warned 'fast-init|group-size|svd-floor'
