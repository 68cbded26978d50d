#!/usr/bin/env bash
# anemll_snap --lut-bits 4 --scale-rank 16 on a checkpoint of 2 bits and rank 32 ("the checkpoint's shapes win").
# Right: told or refused, naming lut-bits or scale-rank.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
snap "$INIT" s --lut-bits 4 --scale-rank 16; warned 'lut-bits|scale-rank'
