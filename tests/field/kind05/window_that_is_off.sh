#!/usr/bin/env bash
# config.json names a sliding window and says that it is not used (use_sliding_window false), as Qwen's do.
# Right: exit 0.
# Wrong: refused for the window.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; json_set m/config.json "d.update(use_sliding_window=False,sliding_window=4,max_window_layers=1)"
MODEL=$T/m; scratch --dry-run
ok; right "the window is off, and so it is read"
