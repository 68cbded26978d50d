#!/usr/bin/env bash
# --hard-top1 0.5 --no-full-logits: "both hard weights become 0", although one was asked for by hand.
# Right: told or refused, naming hard-top1 or no-full-logits.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train --no-full-logits --hard-top1 0.5; warned 'hard-top1|no-full-logits'
