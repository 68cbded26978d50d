#!/usr/bin/env bash
# --dataset_config_name en; files en.jsonl, en_legal.jsonl and en-US.jsonl (three configurations).
# Right: only en.jsonl is read, or the others are told.
# Wrong: all three are read in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; plain d/en.jsonl 60 zebra; plain d/en_legal.jsonl 60 quartz; plain d/en-US.jsonl 60 salmon
precompute d kd --dataset_config_name en; sane
[ $RC = 0 ] && ! has_text kd ' quartz' && ! has_text kd ' salmon' && right "en.jsonl alone"
[ $RC = 0 ] && { grep -Ei 'warning|not used|left out' <<<"$OUT" | grep -Eq 'en_legal|en-US' && right "told"; wrong "en was asked for, en_legal and en-US are read too"; }
has 'en_legal|en-US' && right "refused by name"; wrong "exit $RC: $(last)"
