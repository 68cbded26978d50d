#!/usr/bin/env bash
# anemll_snap --samples 200 without --cache-dir: nothing is scored.
# Right: told or refused, naming samples (or cache-dir).
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
snap "$INIT" s --samples 200; warned 'samples|cache-dir'
