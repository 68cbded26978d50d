#!/usr/bin/env bash
# TERM while a long --eval-text is scored at the start (many chunks).
# Right: ends within 10 s with 75.
# Wrong: goes on to the end of the text.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
for i in $(seq 60); do cat "$REPO"/src/*/README.md; done > t.txt
train_line --max-steps 2 --eval-text "$T/t.txt" --eval-ctx 128 --eval-chunks 0
background "${CMD[@]}"; wait_for 'grep -q "running the teacher\|training: 0" .bg' 25 || skip "did not start: $(tail -1 .bg)"; sleep 1; grep -q 'eval 0' .bg && skip "too fast"
kill -TERM $PID; t0=$SECONDS; ends 12 || wrong "still scoring 12 s after TERM"; [ $RC = 75 ] && right "exit 75 after $((SECONDS - t0)) s"; wrong "exit $RC: $(last)"
