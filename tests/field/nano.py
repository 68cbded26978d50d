"""Makes inputs out of the nano model with the standard library only."""
import hashlib, io, json, os, pickle, struct, zipfile

NANO = os.environ.get('NANO', os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden', 'nano'))


# --- safetensors: {name: (dtype, shape, bytes)}
def st_read(path):
    with open(path, 'rb') as f:
        n = struct.unpack('<Q', f.read(8))[0]
        head = json.loads(f.read(n)); body = f.read()
    meta = head.pop('__metadata__', {'format': 'pt'})
    return {k: (v['dtype'], v['shape'], body[v['data_offsets'][0]:v['data_offsets'][1]]) for k, v in head.items()}, meta


def st_write(path, tensors, meta=None):
    head, at, body = {'__metadata__': meta or {'format': 'pt'}}, 0, []
    for k, (t, shape, data) in tensors.items():
        head[k] = {'dtype': t, 'shape': list(shape), 'data_offsets': [at, at + len(data)]}
        at += len(data); body.append(data)
    text = json.dumps(head).encode(); text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + b''.join(body))


def count(shape):
    n = 1
    for s in shape: n *= s
    return n


def bf16(values):
    out = bytearray()
    for v in values:
        out += struct.pack('<f', v)[2:]
    return bytes(out)


def bf16_floats(data):
    return [struct.unpack('<f', b'\0\0' + data[i:i + 2])[0] for i in range(0, len(data), 2)]


def ramp(shape, scale=0.5):
    n = count(shape)
    return bf16([scale * (((i * 7919) % 101) / 50.0 - 1.0) for i in range(n)])


def poke(model, name, index, value, count_=1):
    """Sets elements of a bf16 tensor of model/model.safetensors."""
    path = model + '/model.safetensors'
    t, meta = st_read(path)
    d, s, b = t[name]
    b = bytearray(b)
    for i in range(index, index + count_): b[2 * i:2 * i + 2] = bf16([value])
    t[name] = (d, s, bytes(b))
    st_write(path, t, meta)


def add_tensors(model, extra):
    path = model + '/model.safetensors'
    t, meta = st_read(path); t.update(extra); st_write(path, t, meta)


# --- .pt files: the values of named tensors changed, the pickle left alone
class _Tensor:
    def __init__(self, storage, offset, size, stride): self.storage, self.offset, self.size, self.stride = storage, offset, size, stride


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if name in ('_rebuild_tensor_v2',):
            return lambda storage, offset, size, stride, *rest: _Tensor(storage, offset, size, stride)
        if name == '_rebuild_parameter': return lambda data, *rest: data
        if name == 'OrderedDict':
            from collections import OrderedDict
            return OrderedDict
        return type(name, (), {'__init__': lambda self, *a: None, 'n': name})

    def persistent_load(self, pid): return (getattr(pid[1], '__name__', str(pid[1])), pid[2], pid[4])


def pt_flat(obj, prefix=''):
    out = {}
    if isinstance(obj, dict):
        for k, v in obj.items():
            if isinstance(v, _Tensor): out[prefix + str(k)] = v
            elif isinstance(v, dict): out.update(pt_flat(v, prefix + str(k) + '.'))
    return out


def pt_tensors(path):
    z = zipfile.ZipFile(path)
    root = z.namelist()[0].split('/')[0]
    return pt_flat(_Unpickler(io.BytesIO(z.read(root + '/data.pkl'))).load()), root


def pt_edit(src, dst, change):
    """change(name, size, storage type, bytearray) edits the bytes of a tensor in place. Returns how many changed."""
    tensors, root = pt_tensors(src)
    z = zipfile.ZipFile(src)
    data = {i.filename: z.read(i.filename) for i in z.infolist()}
    n = 0
    for name, t in tensors.items():
        key = '%s/data/%s' % (root, t.storage[1])
        b = bytearray(data[key])
        change(name, t.size, t.storage[0], b)
        if bytes(b) != data[key]: n += 1
        data[key] = bytes(b)
    with zipfile.ZipFile(dst, 'w', zipfile.ZIP_STORED) as o:
        for i in z.infolist(): o.writestr(zipfile.ZipInfo(i.filename), data[i.filename])
    return n


def masked_cache(dst, rows_of_shard, keep=0, shards=('shard_00000.pt', 'shard_00001.pt')):
    """The nano cache with the attention mask of rows zero after `keep` tokens. rows_of_shard: {shard index: rows}."""
    os.makedirs(dst, exist_ok=True)
    open(dst + '/meta.json', 'wb').write(open(NANO + '/cache/meta.json', 'rb').read())
    for k, name in enumerate(shards):
        def change(tensor, size, kind, b):
            if tensor == 'attention_mask':
                for r in rows_of_shard.get(k, ()):
                    for i in range(keep, 32): b[32 * r + i] = 0
        pt_edit(NANO + '/cache/' + name, dst + '/' + name, change)


# --- GGUF 3
def _s(text): b = text.encode(); return struct.pack('<Q', len(b)) + b


def _value(v):
    if isinstance(v, bool): return struct.pack('<I?', 7, v)
    if isinstance(v, int): return struct.pack('<II', 4, v)
    if isinstance(v, float): return struct.pack('<If', 6, v)
    if isinstance(v, str): return struct.pack('<I', 8) + _s(v)
    if isinstance(v, list):
        if isinstance(v[0], str): return struct.pack('<IIQ', 9, 8, len(v)) + b''.join(_s(x) for x in v)
        return struct.pack('<IIQ', 9, 5, len(v)) + b''.join(struct.pack('<i', x) for x in v)
    raise TypeError(v)


def gguf_name(n):
    for a, b in (('model.embed_tokens', 'token_embd'), ('model.norm', 'output_norm'), ('lm_head', 'output'), ('model.layers.', 'blk.'),
                 ('self_attn.q_proj', 'attn_q'), ('self_attn.k_proj', 'attn_k'), ('self_attn.v_proj', 'attn_v'),
                 ('self_attn.o_proj', 'attn_output'), ('self_attn.q_norm', 'attn_q_norm'), ('self_attn.k_norm', 'attn_k_norm'),
                 ('mlp.gate_proj', 'ffn_gate'), ('mlp.up_proj', 'ffn_up'), ('mlp.down_proj', 'ffn_down'),
                 ('post_attention_layernorm', 'ffn_norm'), ('input_layernorm', 'attn_norm')):
        n = n.replace(a, b)
    return n


def gguf_keys():
    tok = json.load(open(NANO + '/tokenizer.json'))
    vocab = dict(tok['model']['vocab']); types = {}
    for a in tok['added_tokens']: vocab[a['content']] = a['id']; types[a['id']] = 3 if a['special'] else 4
    size = 4096
    words = ['[PAD%d]' % i for i in range(size)]; kind = [5] * size
    for w, i in vocab.items(): words[i] = w; kind[i] = types.get(i, 1)
    merges = [m if isinstance(m, str) else ' '.join(m) for m in tok['model']['merges']]
    return {'general.architecture': 'qwen3', 'qwen3.block_count': 2, 'qwen3.context_length': 512, 'qwen3.embedding_length': 64,
            'qwen3.feed_forward_length': 96, 'qwen3.attention.head_count': 4, 'qwen3.attention.head_count_kv': 2,
            'qwen3.attention.key_length': 32, 'qwen3.attention.value_length': 32, 'qwen3.rope.freq_base': 1e6,
            'qwen3.attention.layer_norm_rms_epsilon': 1e-6, 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'qwen2',
            'tokenizer.ggml.tokens': words, 'tokenizer.ggml.token_type': kind, 'tokenizer.ggml.merges': merges,
            'tokenizer.ggml.eos_token_id': vocab['<|im_end|>'], 'tokenizer.ggml.padding_token_id': vocab['<|endoftext|>'],
            'tokenizer.ggml.add_bos_token': False, 'tokenizer.chat_template': open(NANO + '/chat_template.jinja').read()}


def gguf_write(path, keys=None, extra=None, drop=()):
    """The nano model as GGUF. extra: {name: (dtype, shape, bytes)} in safetensors terms under GGUF names."""
    kv = gguf_keys(); kv.update(keys or {})
    for k in drop: kv.pop(k, None)
    tensors, _ = st_read(NANO + '/model.safetensors')
    named = {gguf_name(k): v for k, v in tensors.items()}; named.update(extra or {})
    f32 = {}
    for k, (d, s, b) in named.items():  # norms as F32, as converters write them
        if d == 'BF16' and len(s) == 1: d, b = 'F32', b''.join(b'\0\0' + b[i:i + 2] for i in range(0, len(b), 2))
        f32[k] = (d, s, b)
    out = b'GGUF' + struct.pack('<IQQ', 3, len(f32), len(kv))
    for k, v in kv.items(): out += _s(k) + _value(v)
    at, body = 0, b''
    for k, (d, s, b) in f32.items():
        out += _s(k) + struct.pack('<I', len(s)) + b''.join(struct.pack('<Q', n) for n in reversed(s))
        out += struct.pack('<IQ', {'F32': 0, 'F16': 1, 'BF16': 30}[d], at)
        b += b'\0' * (-len(b) % 32); body += b; at += len(b)
    out += b'\0' * (-len(out) % 32)
    open(path, 'wb').write(out + body)


# --- records
_WORDS = 'the river moves slowly past old houses while children read letters near an open window and cooks prepare warm bread'.split()


def sentence(i, n=14): return ' '.join(_WORDS[(i * 5 + j * 3 + (i * j) % 7) % len(_WORDS)] for j in range(n))


def alpaca(n, marker=''):
    m = marker + ' ' if marker else ''
    return [{'instruction': 'Explain point %d: %s.' % (i, sentence(i)), 'input': '' if i % 2 else sentence(i + 3),
             'output': '%s%s. %s.' % (m, sentence(i + 1, 20), sentence(i + 2, 20))} for i in range(n)]


def plain(n, marker=''): return [{'text': '%s. %s %s' % (sentence(i, 20), marker, sentence(i + 4, 16))} for i in range(n)]


def chat(n, key='conversations', frm='from', val='value', user='human', bot='gpt', marker=''):
    return [{key: [{frm: user, val: 'Question %d: %s?' % (i, sentence(i))}, {frm: bot, val: sentence(i + 1, 20) + ' ' + marker},
                   {frm: user, val: sentence(i + 2)}, {frm: bot, val: sentence(i + 3, 20)}]} for i in range(n)]


def write_records(path, records):
    with open(path, 'w', encoding='utf-8') as f:
        if path.endswith('.jsonl'):
            for r in records: f.write(json.dumps(r, ensure_ascii=False) + '\n')
        else: json.dump(records, f, ensure_ascii=False)


# --- hub cache
def hub_snapshot(root, repo, folder, commit):
    kind, name = ('datasets', repo[9:]) if repo.startswith('datasets/') else ('models', repo)
    base = '%s/%s--%s' % (root, kind, name.replace('/', '--'))
    os.makedirs(base + '/blobs', exist_ok=True); os.makedirs(base + '/refs', exist_ok=True)
    for at, _, files in os.walk(folder):
        for f in files:
            src = os.path.join(at, f); rel = os.path.relpath(src, folder)
            data = open(src, 'rb').read()
            blob = hashlib.sha256(data).hexdigest() if len(data) > 65536 else hashlib.sha1(b'blob %d\0' % len(data) + data).hexdigest()
            open('%s/blobs/%s' % (base, blob), 'wb').write(data)
            link = '%s/snapshots/%s/%s' % (base, commit, rel)
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(os.path.relpath('%s/blobs/%s' % (base, blob), os.path.dirname(link)), link)
    open(base + '/refs/main', 'w').write(commit)
