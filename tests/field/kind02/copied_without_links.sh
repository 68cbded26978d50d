#!/usr/bin/env bash
# The cache was copied by cp -rL (or from Windows): snapshots hold plain files, there are no blobs. Offline.
# Right: it is used.
# Wrong: refused.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; alpaca a.json 40; hub_cache org/nano m; cp -rL hub h2; rm -rf h2/models--org--nano/blobs; export HF_HUB_CACHE=$T/h2
MODEL=org/nano; precompute a.json kd --dataset_format alpaca_chat
ok; right "plain files are taken"
