#!/usr/bin/env bash
# Plain format over records {"text", "rejected", "chosen"}: preference data given by mistake.
# Right: told that chosen and rejected are not read (or refused).
# Wrong: in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.plain(40, 'zebra')
for m in r: m['chosen'] = 'good answer'; m['rejected'] = 'bad answer'
nano.write_records('a.jsonl', r)
E
precompute a.jsonl kd
warned 'chosen|rejected'
