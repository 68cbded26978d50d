#!/usr/bin/env bash
# A third of the records has one turn only (a lone question): the format skips them.
# Right: told how many were skipped.
# Wrong: in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(42)
for m in r[::3]: m['conversations'] = m['conversations'][:1]
nano.write_records('a.json', r)
E
precompute a.json kd --dataset_format sharegpt; sane
has 'skip|left out|fewer|14 (record|talk|conversation|of)' && right "told: $(grep -Ei 'skip|left out|fewer|14 (record|talk|conv|of)' <<<"$OUT" | head -1 | cut -c1-120)"
wrong "exit $RC, 14 of 42 records vanish without a word"
