#!/usr/bin/env bash
# --save-steps 500 --max-steps 4 (a copied command): no checkpoint is ever written.
# Right: told or refused, naming save-steps.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --save-steps 500; warned 'save-steps'
