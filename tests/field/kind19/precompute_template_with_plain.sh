#!/usr/bin/env bash
# --dataset_format plain with --enable_thinking both and --chat-template qwen3: no chat is rendered.
# Right: told or refused, naming one of them.
# Wrong: silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
plain a.jsonl 60 zebra; precompute a.jsonl kd --enable_thinking both --chat-template qwen3; warned 'enable_thinking|chat-template'
