#!/usr/bin/env bash
# --no-full-logits --hard-top1-end 0.05: the weight that is annealed is switched off.
# Right: told or refused, naming hard-top1-end or no-full-logits.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --no-full-logits --hard-top1-end 0.05; warned 'hard-top1-end|no-full-logits'
