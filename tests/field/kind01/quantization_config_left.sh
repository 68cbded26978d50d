#!/usr/bin/env bash
# config.json carries a quantization_config (bitsandbytes nf4) out of an AutoModel save, the weights are plain bf16.
# Right: told or refused, naming quantization_config.
# Wrong: exit 0 without a word.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
json_set m/config.json "d['quantization_config']={'quant_method':'bitsandbytes','load_in_4bit':True,'bnb_4bit_quant_type':'nf4'}"
MODEL=$T/m; scratch --dry-run
warned 'quantization_config|bitsandbytes'
