#!/usr/bin/env bash
# tokenizer.json is the page of a hub, saved from a browser.
# Right: refused as a web page, naming the file.
# Wrong: "not valid JSON" alone.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json; printf '<!doctype html>\n<html class=""><head><title>tokenizer.json</title></head><body>{"a":1}</body></html>\n' > m/tokenizer.json
MODEL=$T/m; precompute a.json kd --dataset_format alpaca_chat
fails 3 'tokenizer\.json'; has 'web page' || wrong "$(last)"; right "exit 3: $(last)"
