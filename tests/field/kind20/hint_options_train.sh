#!/usr/bin/env bash
# Five usual mistakes with anemll_train; the hints name options.
# Right: every --option that a hint names exists in anemll_train --help (or in the program that the hint names).
# Wrong: a hint names an option that the program does not have.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
all=$(for p in train precompute cache snap tokenize; do "$BIN/anemll_$p" --help 2>/dev/null; done; for c in import export info verify; do "$BIN/anemll_cache" $c --help 2>/dev/null; done)
own=$("$BIN/anemll_train" --help)
check() { local h o; sane; h=$(sed -n '/hint:/,$p' <<<"$OUT"); [ -n "$h" ] || wrong "no hint: $(last)"; for o in $(grep -oE -- '--[a-z][a-z0-9_-]+' <<<"$h"); do
  { grep -qE 'anemll_(precompute|cache|snap)' <<<"$h" && grep -qe "$o" <<<"$all"; } || grep -qe "$o\b" <<<"$own" || wrong "the hint names $o, which anemll_train does not have: $(tail -1 <<<"$h")"; done; }
train --cache-dir nowhere; check; train --kd-objective topk-tail; check; train --kd-objective exact; check
train --v2-checkpoint "$NANO/model.safetensors"; check; train --resume "$T/nothing"; check; train --model-id "$T/nothing"; check; train --cache_dir x; check
right "the options of 7 hints exist"
