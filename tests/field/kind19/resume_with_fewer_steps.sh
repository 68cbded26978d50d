#!/usr/bin/env bash
# --resume auto --max-steps 4 on a run that is at step 8: nothing is trained.
# Right: told or refused (nothing to do, step 8).
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 8; ok; rm -f out/v2_*
train --max-steps 4 --resume auto; sane; has 'nothing to do|already|step 8|max-steps|8 of 4|8/4' && right "exit $RC: $(grep -Ei -m1 'nothing|already|step 8|max-steps|8 of 4' <<<"$OUT" | cut -c1-120)"; wrong "exit $RC in silence"
