#!/usr/bin/env bash
# anemll_precompute ... 2>&1 | head -2.
# Right: the cache is made.
# Wrong: it dies of the pipe.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json 60
timeout "$LIMIT" nice "$BIN/anemll_precompute" --teacher_model_name_or_path "$NANO" --dataset_name a.json --dataset_format alpaca_chat --output_dir kd "${PRE[@]}" --batch_size 1 2>&1 </dev/null | head -2 >/dev/null; RC=${PIPESTATUS[0]}
[ "$RC" = 0 ] && [ -f kd/index.json ] && right "exit 0, the cache is made"; wrong "exit $RC, $(ls | tr "\n" " ")"
