#!/usr/bin/env bash
# --teacher-model scores the evaluated rows over the whole vocabulary; one of the four rows is empty.
# Right: train_kl figures are finite (of the other rows).
# Wrong: NaN, null or absent.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.masked_cache('c', {0: [2]})
E
CACHE=$T/c; train --teacher-model "$NANO" --max-steps 2; ok; v=$(sed -n 's/.*"train_kl_mean":\([^,}]*\).*/\1/p' out/metrics.jsonl | head -1); near "$v" "$v" && right "train_kl_mean $v"; wrong "train_kl_mean '$v'"
