#!/usr/bin/env bash
# Rows 4 to 7, one whole micro-batch of four in file order, are empty.
# Right: that step is skipped (told) or has no effect; the run ends well.
# Wrong: NaN or exit 5.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.masked_cache('c', {0: [4, 5, 6, 7]})
E
CACHE=$T/c; train --order sequential --max-steps 6 --logging-steps 1; ok; grep -qiE ',-?nan' out/training_log.csv && wrong "NaN in the log: $(grep -i nan out/training_log.csv)"; right "exit 0"
