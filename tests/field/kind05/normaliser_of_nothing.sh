#!/usr/bin/env bash
# The normalizer of tokenizer.json is NFC, once more in a Sequence with an empty one: all that changes nothing.
# Right: the same ids.
# Wrong: refused.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; json_set m/tokenizer.json "d['normalizer']={'type':'Sequence','normalizers':[d['normalizer'] or {'type':'Sequence','normalizers':[]},{'type':'Sequence','normalizers':[]}]}"
same_ids m
