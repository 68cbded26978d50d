#!/usr/bin/env bash
# state/latest names a step whose folder was deleted to free space; an older state is whole. --resume auto.
# Right: goes on from the older one and tells; or an error naming latest or the step.
# Wrong: starts anew in silence, or fails without a name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 8 --save-steps 4; ok; rm -rf out/state/step_00000008 out/v2_*
train --max-steps 9 --resume auto; sane
has 'resum.*step[_ ]0*4\b' && right "exit $RC: $(grep -m1 -i 'resumed' <<<"$OUT" | cut -c1-120)"
[ $RC != 0 ] && has 'latest|step_00000008' && right "named: $(last)"; wrong "exit $RC: $(last)"
