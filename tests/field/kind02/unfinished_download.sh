#!/usr/bin/env bash
# The first download was killed: an .incomplete blob, no snapshot, no ref. Offline.
# Right: exit 3 that says that a download is not finished.
# Wrong: another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; hub_cache org/nano m; cd hub/models--org--nano; rm -r snapshots refs
for b in blobs/*; do mv "$b" "$b.01234567.incomplete"; done; cd ../..
MODEL=org/nano; scratch --dry-run
fails 3 'unfinished|incomplete'; right "exit 3: $(last)"
