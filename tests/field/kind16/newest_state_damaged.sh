#!/usr/bin/env bash
# The newest state's parameters were cut by a full disk; the one before is whole. --resume auto.
# Right: the older one is taken and the damaged one told by name; or an error naming it.
# Wrong: silence, a start anew, or a crash.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 8 --save-steps 4; ok; f=out/state/step_00000008/parameters.safetensors; head -c 1000 $f > x; mv x $f
train --max-steps 9 --resume auto; sane; has 'step_00000008' || wrong "exit $RC, the damaged state is not named: $(last)"
[ $RC = 0 ] && { has 'resum.*step[_ ]0*4\b' && right "told, goes on from step 4"; wrong "exit 0 but not from step 4"; }; right "named: $(last)"
