#!/usr/bin/env bash
# refs/main was repaired by hand (echo COMMIT > refs/main) and ends with a newline. Offline.
# Right: the snapshot is found; or an error that names refs/main.
# Wrong: "not in the cache" although it is there.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; hub_cache org/nano m; echo 0123456789abcdef0123456789abcdef01234567 > hub/models--org--nano/refs/main
MODEL=org/nano; scratch --dry-run
sane; [ $RC = 0 ] && right "found"; has 'refs/main' && right "named: $(last)"; wrong "exit $RC: $(last)"
