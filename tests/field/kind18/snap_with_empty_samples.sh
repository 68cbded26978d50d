#!/usr/bin/env bash
# anemll_snap --cache-dir whose first samples are empty rows (--samples 4).
# Right: exit 0 with a finite score of others (told), or refused naming the rows or the mask.
# Wrong: a score of NaN or 0 that passes the gate, or exit 5 without a reason.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.masked_cache('c', {0: range(4)})
E
snap "$INIT" s --cache-dir c --samples 4; sane
[ $RC = 0 ] && { has 'supervised|mask|empty' && right "told"; grep -qiE '"(raw|reference|clamp)[a-z_]*": *(0\.0|0,|null|nan)' s/snap_report.json && wrong "exit 0 with $(grep -iE -m1 'null|0\.0' s/snap_report.json)"; wrong "exit 0 in silence on rows without a token"; }
has 'supervised|mask|samples|tokens' && right "named: $(last)"; wrong "exit $RC: $(last)"
