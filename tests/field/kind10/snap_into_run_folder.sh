#!/usr/bin/env bash
# anemll_snap --output is the folder of the run itself (or of another run).
# Right: refused, or config.json and checkpoints of the run are unchanged.
# Wrong: config.json of the run replaced, or a checkpoint removed.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train "${LEARN[@]}"; ok; cp out/config.json c; n=$(ls out/*.pt | wc -l)
snap out/best_state_dict.pt out; sane
cmp -s out/config.json c || wrong "exit $RC: the run's config.json was replaced"
[ "$(ls out/*.pt | wc -l)" -ge "$n" ] || wrong "exit $RC: a checkpoint is gone"
right "exit $RC, the run is whole: $(last)"
