#!/usr/bin/env bash
# --dataset_text_field output with --dataset_format alpaca_chat.
# Right: told or refused, naming dataset_text_field.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.json; precompute a.json kd --dataset_format alpaca_chat --dataset_text_field output; warned 'dataset_text_field'
