#!/usr/bin/env bash
# Runs a test under the environment of the launch scripts:   with_launch_env.sh COMMAND [ARGUMENT...]
set -euo pipefail
ANEMLL_TERM_BECOMES_USR1=1 # ranks that fail on purpose end at once
. "$(dirname "$0")/../../launch/env.sh"
exec "$@"
