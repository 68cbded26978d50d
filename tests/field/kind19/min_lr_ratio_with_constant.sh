#!/usr/bin/env bash
# --constant-lr together with --min-lr-ratio 0.1: the second has no meaning.
# Right: told or refused, naming min-lr-ratio.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --constant-lr --min-lr-ratio 0.1; warned 'min-lr-ratio'
