#!/usr/bin/env bash
# Masks with holes (1 0 1 1 ...): a collator that masks the prompt in the attention mask.
# Right: told or refused naming the mask; or used with finite losses.
# Wrong: NaN or a crash.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano, shutil, os
os.makedirs('c'); shutil.copy(nano.NANO + '/cache/meta.json', 'c')
def change(name, size, kind, b):
    if name == 'attention_mask':
        for i in range(0, len(b), 3): b[i] = 0
for s in ('shard_00000.pt', 'shard_00001.pt'): nano.pt_edit(nano.NANO + '/cache/' + s, 'c/' + s, change)
E
CACHE=$T/c; train --max-steps 4 --logging-steps 1; sane; [ $RC = 0 ] && ! grep -qiE ',-?nan' out/training_log.csv && right "finite"; told 'mask'
