#!/usr/bin/env bash
# One row of 64 has an attention mask of zeros (an empty text that was padded).
# Right: trained as if it were not there: exit 0, finite losses.
# Wrong: NaN, exit 5, or a refused cache.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.masked_cache('c', {0: [3]})
E
CACHE=$T/c; train --order sequential --max-steps 8 --logging-steps 1 --eval-samples 40; ok; grep -qi nan out/training_log.csv && wrong "NaN in the log"; right "finite"
