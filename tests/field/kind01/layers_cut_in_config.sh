#!/usr/bin/env bash
# Somebody set num_hidden_layers to 1 in config.json for a quick test and forgot it; the weights have two layers.
# Right: told or refused, naming the layer's tensors or num_hidden_layers.
# Wrong: half of the model is trained and nobody hears of it.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
json_set m/config.json "d['num_hidden_layers']=1; d['layer_types']=['full_attention']"
MODEL=$T/m; scratch --dry-run
warned 'layers\.1|num_hidden_layers'
