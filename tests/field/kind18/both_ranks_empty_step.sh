#!/usr/bin/env bash
# Two ranks; rows 4 to 7 are empty, so in the second step neither rank has a token.
# Right: exit 0, finite.
# Wrong: NaN, a hang, exit 5.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.masked_cache('c', {0: [4, 5, 6, 7]})
E
CACHE=$T/c; train_line --order sequential --max-steps 5 --logging-steps 1; run bash "$REPO/launch/mpirun.sh" -np 2 "${CMD[@]}"; ok; grep -qiE ',-?nan' out/training_log.csv && wrong "NaN in the log"; right "exit 0"
