#!/usr/bin/env bash
# Training scores --eval-text; the tokenizer's blob of the cached model is gone. Offline.
# Right: exit 3 naming tokenizer.json, before any step.
# Wrong: another error, or the text is not scored in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m; hub_cache org/nano m; rm "$(readlink -f "$(snapshot org/nano)/tokenizer.json")"
MODEL=org/nano; scratch --eval-text "$REPO/README.md" --eval-ctx 64
fails 3 'tokenizer\.json'; right "exit 3: $(last)"
