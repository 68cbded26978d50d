#!/usr/bin/env bash
# ANEMLL_LEARNING_RATE=1e-3 is exported (the flag is --lr): an unknown name with the program's prefix.
# Right: told or refused, naming it.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
export ANEMLL_LEARNING_RATE=1e-3; train; warned 'ANEMLL_LEARNING_RATE'
