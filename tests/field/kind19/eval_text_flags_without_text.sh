#!/usr/bin/env bash
# --eval-ctx 64 --eval-chunks 8 without --eval-text.
# Right: told or refused, naming one of them.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --eval-ctx 64 --eval-chunks 8; warned 'eval-ctx|eval-chunks|eval-text'
