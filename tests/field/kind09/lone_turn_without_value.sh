#!/usr/bin/env bash
# One of 60 ShareGPT records has a turn without "value" (a failed scrape), another has conversations: null.
# Right: the others are used, the two are told.
# Wrong: the run ends, or silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(60); del r[20]['conversations'][1]['value']; r[40]['conversations'] = None; nano.write_records('a.jsonl', r)
E
precompute a.jsonl kd --dataset_format sharegpt; sane
[ $RC = 0 ] || wrong "one record of 60 ends the run: $(last)"
has 'a\.jsonl:(21|41)|line 21|[12] (record|turn)|skip|left out|empty' && right "told"; wrong "silence"
