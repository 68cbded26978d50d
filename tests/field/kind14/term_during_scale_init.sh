#!/usr/bin/env bash
# --from-scratch of a wider model: the SVDs of the scale init take long; TERM comes meanwhile.
# Right: ends within 6 s with 75 (or 143), nothing to resume is needed.
# Wrong: the init goes on to its end, or another code.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir m; py <<'E'
import nano, json, os
h, f, L = 768, 2048, 10
c = json.load(open(nano.NANO + '/config.json')); c.update(hidden_size=h, intermediate_size=f, num_hidden_layers=L, num_attention_heads=12, num_key_value_heads=12, head_dim=64, layer_types=['full_attention'] * L)
json.dump(c, open('m/config.json', 'w'))
blob = os.urandom(1 << 20); good = bytearray(blob)
for i in range(1, len(good), 2): good[i] = (good[i] & 0x80) | 0x3c   # bf16 of about 0.01
good = bytes(good)
def t(*s):
    n = 2 * nano.count(s); return ('BF16', list(s), (good * (n // len(good) + 1))[:n])
one = lambda n: ('BF16', [n], nano.bf16([1.0]) * n)
T = {'model.embed_tokens.weight': t(4096, h), 'model.norm.weight': one(h)}
for l in range(L):
    p = 'model.layers.%d.' % l
    for q in 'qkvo': T[p + 'self_attn.%s_proj.weight' % q] = t(h, h)
    for q in 'qk': T[p + 'self_attn.%s_norm.weight' % q] = one(64)
    T[p + 'mlp.gate_proj.weight'] = t(f, h); T[p + 'mlp.up_proj.weight'] = t(f, h); T[p + 'mlp.down_proj.weight'] = t(h, f)
    T[p + 'input_layernorm.weight'] = one(h); T[p + 'post_attention_layernorm.weight'] = one(h)
nano.st_write('m/model.safetensors', T)
E
CMD=("$BIN/anemll_train" --from-scratch --group-size 2 --model-id m --cache-dir "$NANO/cache" --output-dir out "${BASE[@]}" --max-steps 2)
background "${CMD[@]}"; wait_for 'grep -q "scale init and freeze: 0" .bg' 20 || skip "no init: $(tail -1 .bg)"; sleep 1; kill -0 $PID 2>/dev/null || skip "ended: $(grep -m1 error .bg)"
grep -q 'Memory per rank' .bg && skip "the init was too fast"; kill -TERM $PID; t0=$SECONDS
ends 6 || wrong "still initialising 6 s after TERM"; case $RC in 75|143) right "exit $RC after $((SECONDS - t0)) s" ;; esac; wrong "exit $RC: $(last)"
