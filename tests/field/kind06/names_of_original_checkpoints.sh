#!/usr/bin/env bash
# consolidated.safetensors with the names of the first Llama files (layers.0.attention.wq.weight) in place of the usual ones.
# Right: refused naming the file or such a tensor, and where the usual form comes from; nothing of different models.
# Wrong: "belong to different models", or no name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
model m
py <<'P'
import nano, os
t, meta = nano.st_read('m/model.safetensors'); os.remove('m/model.safetensors')
def name(k):
    for a, b in (('model.', ''), ('self_attn.q_proj', 'attention.wq'), ('self_attn.k_proj', 'attention.wk'), ('self_attn.v_proj', 'attention.wv'), ('self_attn.o_proj', 'attention.wo'),
                 ('mlp.gate_proj', 'feed_forward.w1'), ('mlp.down_proj', 'feed_forward.w2'), ('mlp.up_proj', 'feed_forward.w3'), ('embed_tokens', 'tok_embeddings'), ('input_layernorm', 'attention_norm'), ('post_attention_layernorm', 'ffn_norm')): k = k.replace(a, b)
    return k
nano.st_write('m/consolidated.safetensors', {name(k): v for k, v in t.items()}, meta)
P
MODEL=$T/m; scratch --dry-run
has 'different models' && wrong "$(last)"; fails 3 'consolidated|wq|tok_embeddings|model\.safetensors'; right "exit 3: $(last)"
