#!/usr/bin/env bash
# OpenHermes-like records with the roles "Human" and "Assistant" (capital letters, another word for gpt).
# Right: known without regard to case, or told or refused naming the role.
# Wrong: the answers become user turns in silence.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
nano.write_records('a.json', nano.chat(40, user='Human', bot='Assistant'))
E
precompute a.json kd --dataset_format openhermes; sane
[ $RC = 0 ] && has_text kd '<|im_start|>assistant' && right "the answers are the assistant's"
warned 'Assistant|Human|role'
