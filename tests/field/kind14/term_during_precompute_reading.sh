#!/usr/bin/env bash
# TERM comes while anemll_precompute reads and tokenises a large data set.
# Right: ends within 10 s with 75 (or 143), the same command with or without --resume works later.
# Wrong: goes on to the end of the reading.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json 200; py <<'E'
l = open('a.json').read()[1:-1]
with open('b.jsonl', 'w') as f:
    import json
    rows = [json.dumps(r) + '\n' for r in json.loads('[' + l + ']')]
    for i in range(1500): f.writelines(rows)
E
background "$BIN/anemll_precompute" --teacher_model_name_or_path "$NANO" --dataset_name b.jsonl --dataset_format alpaca_chat --output_dir kd "${PRE[@]}" --num_sequences 100000000
sleep 1.5; kill -0 $PID 2>/dev/null || skip "too fast: $(tail -1 .bg)"; grep -q 'teacher pass' .bg && skip "the reading was too fast"
kill -TERM $PID; t0=$SECONDS; ends 12 || wrong "still reading 12 s after TERM"
case $RC in 75|143) right "exit $RC after $((SECONDS - t0)) s" ;; esac; wrong "exit $RC: $(last)"
