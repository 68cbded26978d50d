#!/usr/bin/env bash
# refs/main names a commit whose snapshot was pruned; an older snapshot is complete. Offline.
# Right: exit 3 naming the commit, the ref or what is missing; or the older one is used and told.
# Wrong: the older one is used in silence, or an error that does not name it.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; hub_cache org/nano m; echo -n ffffffffffffffffffffffffffffffffffffffff > hub/models--org--nano/refs/main
MODEL=org/nano; scratch --dry-run
told 'ffffffffff|refs/main|snapshot|offline'
