#!/usr/bin/env bash
# Both shards are in the snapshot, but model.safetensors.index.json was excluded by a pattern of the downloader. Offline.
# Right: exit 3 naming the index (or that the snapshot is not complete); or both shards are used.
# Wrong: one shard alone, or a message that does not say that weights are missing.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'E'
import nano, os
t, meta = nano.st_read('m/model.safetensors'); names = sorted(t)
for k, part in enumerate((names[:12], names[12:])): nano.st_write('m/model-%05d-of-00002.safetensors' % (k + 1), {n: t[n] for n in part})
os.remove('m/model.safetensors')
E
hub_cache org/nano m; MODEL=org/nano; scratch --dry-run; [ "$RC" = 0 ] && right "both are used"
fails 3 'index\.json|-of-00002|complete|has no model'; right "exit 3: $(last)"
