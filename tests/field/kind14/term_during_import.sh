#!/usr/bin/env bash
# Slurm's pre-emption TERM comes while a large .pt cache is imported, before training.
# Right: ends within 10 s with 75 (or 143), and the same command later works.
# Wrong: the import goes on to its end, or what it leaves breaks the next start.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
big_cache c 1200; CACHE=$T/c; train_line --max-steps 2
background "${CMD[@]}"; wait_for 'grep -q "importing the KD cache" .bg' 20 || skip "no import"; sleep 0.5
grep -q 'training: 0' .bg && skip "the import was too fast"
kill -TERM $PID; t0=$SECONDS; ends 15 || wrong "still importing $((SECONDS - t0)) s after TERM"
d=$((SECONDS - t0)) code=$RC; case $RC in 75|143) ;; *) wrong "exit $RC: $(last)" ;; esac
ls out/v2_*fp32* >/dev/null 2>&1 && skip "too fast"
train; [ $RC = 0 ] && right "ended with $code after $d s; the next start works"; wrong "the next start: exit $RC: $(last)"
