#!/usr/bin/env bash
# anemll_snap with stdout and stderr on a full disk.
# Right: the snapped folder is written and verified, exit 0.
# Wrong: a failure because of the log.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
timeout "$LIMIT" nice "$BIN/anemll_snap" --checkpoint "$INIT" --model-id "$NANO" --fp16 --output s </dev/null >/dev/full 2>/dev/full; RC=$?
[ $RC = 0 ] && [ -f s/model_state_dict.pt ] && [ -f s/snap_report.json ] && right "exit 0"; wrong "exit $RC, $(ls s 2>/dev/null | tr '\n' ' ')"
