#!/usr/bin/env bash
# --v2-checkpoint out/state/step_00000004: the user takes the state folder for a checkpoint.
# Right: exit 2 or 3, and the hint names --resume (for states) or that a file (.pt) is wanted.
# Wrong: a message about zip files, permissions or the like.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train; ok; train --v2-checkpoint out/state/step_00000004 --output-dir "$T/o2"; fails "2 3" 'step_00000004'; { has '--resume|\.pt' || grep -A1 hint <<<"$OUT" | grep -q 'file'; } && right "$(grep -m1 -A1 hint <<<"$OUT" | tr '\n' ' ')"; wrong "the hint misleads: $(grep -m1 -A1 hint <<<"$OUT" | tr '\n' ' ')"
