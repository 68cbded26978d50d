#!/usr/bin/env bash
# A limit on file sizes (ulimit -f, quotas report the same way): a snap cannot be written.
# Right: the hint speaks of a limit, size or space.
# Wrong: "check that the path exists and is reachable".
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
run bash -c 'trap "" XFSZ; ulimit -f 400; exec "$@"' x "$BIN/anemll_snap" --checkpoint "$TRAINED" --model-id "$NANO" --fp16 --output s
fails 3 'model_state_dict'; grep -A2 hint <<<"$OUT" | grep -Eqi 'space|free|limit|quota|large|size' && right "$(grep -A1 hint <<<"$OUT" | tr '\n' ' ')"; wrong "$(grep -A1 hint <<<"$OUT" | tr '\n' ' ')"
