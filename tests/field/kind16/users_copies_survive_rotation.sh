#!/usr/bin/env bash
# The user set good checkpoints aside under near names: checkpoint_step3_good.pt, checkpoint_step3.pt.bak, checkpoint_step03.pt.
# Right: the rotation touches only its own files.
# Wrong: one of them is deleted.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
O=$T/out; train --max-steps 3 --save-steps 3; ok; cd out; for n in checkpoint_step3_good.pt checkpoint_step3.pt.bak checkpoint_step03.pt "checkpoint_step3 (1).pt"; do cp checkpoint_step3.pt "$n"; done; cd ..
train --max-steps 12 --save-steps 3 --keep-checkpoints 1 --resume auto; ok
for n in checkpoint_step3_good.pt checkpoint_step3.pt.bak checkpoint_step03.pt "checkpoint_step3 (1).pt"; do [ -f "out/$n" ] || wrong "$n was deleted"; done; right "all four stay: $(ls out/checkpoint* | wc -l) files"
