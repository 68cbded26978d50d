#!/usr/bin/env bash
# The snapshot lacks its second shard and the network is there; the hub has it.
# Right: the shard is fetched and the model used; or an error naming it.
# Wrong: an error that does not name it.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'E'
import nano, json, os
t, meta = nano.st_read('m/model.safetensors'); names = sorted(t); wm = {}
for k, part in enumerate((names[:12], names[12:])):
    f = 'model-%05d-of-00002.safetensors' % (k + 1); nano.st_write('m/' + f, {n: t[n] for n in part}); wm.update({n: f for n in part})
json.dump({'metadata': {'total_size': 1}, 'weight_map': wm}, open('m/model.safetensors.index.json', 'w')); os.remove('m/model.safetensors')
E
hub models org/nano "$T/m"; hub_cache org/nano m; rm "$(snapshot org/nano)/model-00002-of-00002.safetensors"
MODEL=org/nano; scratch --dry-run
sane; [ $RC = 0 ] && right "completed"; has '00002-of-00002' && right "named: $(last)"; wrong "exit $RC: $(last)"
