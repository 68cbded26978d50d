#!/usr/bin/env bash
# A power cut left a zero-byte state/latest; both states are whole. --resume auto.
# Right: goes on from the newest whole state (step 8).
# Wrong: fails, or starts anew.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 8 --save-steps 4; ok; : > out/state/latest; rm -f out/v2_*
train --max-steps 9 --resume auto; ok; has 'resum.*step[_ ]0*8\b' && right "from step 8"; wrong "$(grep -i resumed <<<"$OUT")"
