#!/usr/bin/env bash
# A cache copied without refs/ holds two snapshots of the model. Offline.
# Right: exit 3 that names the snapshots.
# Wrong: one is taken, or the model is said not to be there.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; hub_cache org/nano m; hub_cache org/nano m 1111111111111111111111111111111111111111; rm -r hub/models--org--nano/refs
MODEL=org/nano; scratch --dry-run
fails 3 '1111111111'; right "exit 3: $(last)"
