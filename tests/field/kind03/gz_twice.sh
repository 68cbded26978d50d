#!/usr/bin/env bash
# train.jsonl and train.jsonl.gz, the same records twice (people keep both).
# Right: told, or taken once.
# Wrong: every record twice in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/train.jsonl 60 zebra; gzip -k d/train.jsonl
precompute d kd; sane
[ $RC = 0 ] && [ "$(grep -o '"documents": [0-9]*' kd/index.json)" = '"documents": 60' ] && right "taken once"
has 'train\.jsonl\.gz|same|twice|cop(y|ies)' && right "told"; wrong "exit $RC, $(grep -o '"documents": [0-9]*' kd/index.json) without a word"
