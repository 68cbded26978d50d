#!/usr/bin/env bash
# --output-dir names the model's own folder (people keep all in one): its config.json must survive.
# Right: refused, or the model's config.json is unchanged.
# Wrong: config.json replaced: the model is destroyed.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; cp m/config.json c; MODEL=$T/m O=$T/m; train; sane
cmp -s m/config.json c && right "exit $RC, config.json unchanged"
wrong "exit $RC: the model's config.json was replaced"
