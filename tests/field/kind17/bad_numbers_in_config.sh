#!/usr/bin/env bash
# config.json: rms_norm_eps is negative and rope_theta 0 (a broken conversion script).
# Right: exit 3 (or 2) naming the key.
# Wrong: it trains, NaN later.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; json_set m/config.json "d['rope_parameters']['rope_theta']=0.0"; MODEL=$T/m; scratch; fails "2 3" 'rope_theta'
json_set m/config.json "d['rope_parameters']['rope_theta']=1e6; d['rms_norm_eps']=-1e-6"; scratch; fails "2 3" 'rms_norm_eps'; right "exit $RC: $(last)"
