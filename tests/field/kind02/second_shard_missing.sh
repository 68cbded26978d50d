#!/usr/bin/env bash
# An interrupted download: the index names two shards, the snapshot has one. Offline.
# Right: exit 3 naming the missing shard (or that the snapshot is not complete).
# Wrong: a start, another error, or no name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'E'
import nano, json, os
t, meta = nano.st_read('m/model.safetensors'); names = sorted(t); wm = {}
for k, part in enumerate((names[:12], names[12:])):
    f = 'model-%05d-of-00002.safetensors' % (k + 1); nano.st_write('m/' + f, {n: t[n] for n in part}); wm.update({n: f for n in part})
json.dump({'metadata': {'total_size': 1}, 'weight_map': wm}, open('m/model.safetensors.index.json', 'w')); os.remove('m/model.safetensors')
E
hub_cache org/nano m; rm "$(snapshot org/nano)/model-00002-of-00002.safetensors"
MODEL=org/nano; scratch --dry-run
fails "3" 'model-00002-of-00002|not complete|incomplete'
right "exit $RC: $(grep -Ei '00002-of|complete' <<<"$OUT" | head -1 | cut -c1-140)"
