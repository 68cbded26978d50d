#!/usr/bin/env bash
# train.jsonl.gz whose download stopped at nine tenths.
# Right: exit 3 naming the file and that it is cut; or what is whole is used and told.
# Wrong: silence, or another message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
alpaca a.jsonl 400; gzip a.jsonl; s=$(stat -c %s a.jsonl.gz); head -c $((s * 9 / 10)) a.jsonl.gz > b.jsonl.gz
precompute b.jsonl.gz kd --dataset_format alpaca_chat; sane
has 'b\.jsonl\.gz' && has 'gzip|cut|trunc|ends|end of' && right "exit $RC: $(last)"; wrong "exit $RC: $(last)"
