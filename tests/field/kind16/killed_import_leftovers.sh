#!/usr/bin/env bash
# A first start was killed while importing a large cache; the second start has another cache dir.
# Right: no .partial is left at the end, the run is whole.
# Wrong: leftovers, or a failure.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
big_cache c 800; CACHE=$T/c; train_line --max-steps 2; background "${CMD[@]}"
wait_for '[ -d out/kd_cache.partial ]' 20 || skip "no import"; sleep 0.7; kill -KILL $PID; wait $PID 2>/dev/null; [ -d out/kd_cache.partial ] || skip "too fast"
CACHE=$NANO/cache; train; ok; x=$(find out -name '*partial*'); [ -z "$x" ] && finished && right "clean"; wrong "left: $x"
