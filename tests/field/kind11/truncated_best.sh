#!/usr/bin/env bash
# The disk filled while best_state_dict.pt was copied back: the file is cut. Resume at a rate that gains nothing.
# Right: told (or refused), or written again so that it is whole at the end.
# Wrong: exit 0 and the folder's best file cannot be read.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}" --max-steps 6; ok; rm out/v2_*.pt; head -c 500000 out/best_state_dict.pt > x; mv x out/best_state_dict.pt
train "${LEARN[@]}" --lr 0.5 --max-steps 8 --resume auto; sane
readable out/best_state_dict.pt 2>/dev/null && right "whole again, exit $RC"
has 'best_state_dict' && right "told: exit $RC"; wrong "exit $RC, best_state_dict.pt cannot be read, in silence"
