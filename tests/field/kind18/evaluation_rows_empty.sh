#!/usr/bin/env bash
# The rows that evaluations look at (the first four) are all empty.
# Right: refused or told, naming the evaluation or its rows; or other rows taken and told; never a best_loss of NaN or 0.
# Wrong: best_loss NaN or 0 in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.masked_cache('c', {0: range(4)})
E
CACHE=$T/c; train --max-steps 4 --eval-steps 2; sane
[ $RC != 0 ] && { has 'supervised|mask|evaluat|eval-samples' && right "refused: $(last)"; wrong "exit $RC: $(last)"; }
has 'warning.*(evaluation rows|rows of|supervised|mask|no .*tokens)' && right "told"; b=$(summary best_loss); [ "$b" = None ] && right "no figure claimed"; near "$b" 0 1e-9 || near "$b" "$b" 0 || wrong "best_loss $b"; near "$b" 0.03 0.9 && right "best_loss $b"; wrong "best_loss $b in silence"
