#!/usr/bin/env bash
# One folder, sub-folders en and de, each with train.jsonl; no configuration is named (the hub library demands one).
# Right: told or refused, naming en and de: mixing languages is no default.
# Wrong: both are mixed in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir -p d/en d/de; plain d/en/train.jsonl 60 zebra; plain d/de/train.jsonl 60 quartz
precompute d kd; sane
[ $RC = 0 ] && { has_text kd ' quartz' || wrong "de is missing in silence"; }
has 'd/en|d/de|"en"|"de"|en, de|de, en|configuration|sub-?folder|2 files' && right "told: exit $RC"
wrong "exit 0, both mixed without a word"
