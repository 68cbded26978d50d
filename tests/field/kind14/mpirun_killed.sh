#!/usr/bin/env bash
# The launcher dies (OOM killer takes mpirun itself).
# Right: the ranks end within 15 s, so that the next start finds the folder free and goes on.
# Wrong: orphans go on and hold the folder's lock.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 1000000 --save-steps 20
background bash "$REPO/launch/mpirun.sh" -np 2 "${CMD[@]}"; wait_for 'ls -d out/state/step_* >/dev/null 2>&1' 30 || skip "no state: $(tail -1 .bg)"
M=$(pgrep -P $PID -x mpirun | head -1); [ -n "$M" ] || M=$(pgrep -P $PID | head -1); R=$(pgrep -P "$M"); kill -KILL "$M"
wait_for 'for r in $R; do kill -0 $r 2>/dev/null && exit 1; done' 0; for i in $(seq 150); do a=; for r in $R; do kill -0 $r 2>/dev/null && a=1; done; [ -z "$a" ] && break; sleep 0.1; done
if [ -n "$a" ]; then kill -KILL $R 2>/dev/null; wrong "ranks live on 15 s after mpirun was killed"; fi
s=$(ls -d out/state/step_*[0-9] | tail -1 | sed 's/.*_0*//'); train --max-steps $((s + 3)) --resume auto; ok; right "the ranks ended; the next start goes on from step $s"
