# A folder in 4 bits that knows what its products see: a model of one layer, 128 wide, whose tokens are bytes.
python3 - <<'END'
import array, json, os, random, struct
random.seed(1)
os.mkdir('base')
layer = 'model.layers.0.'
shapes = {'model.embed_tokens.weight': [256, 128], 'lm_head.weight': [256, 128], 'model.norm.weight': [128],
          layer + 'input_layernorm.weight': [128], layer + 'post_attention_layernorm.weight': [128]}
shapes |= {layer + name + '_proj.weight': [128, 128] for name in
           ('self_attn.q', 'self_attn.k', 'self_attn.v', 'self_attn.o', 'mlp.gate', 'mlp.up', 'mlp.down')}
header, data = {}, array.array('f')
for name, shape in shapes.items():
    begin = 4 * len(data)
    data.extend(random.gauss(0, 0.1) for _ in range(shape[0] * shape[-1] if len(shape) > 1 else shape[0]))
    header[name] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [begin, 4 * len(data)]}
text = json.dumps(header).encode()
with open('base/model.safetensors', 'wb') as f:
    f.write(struct.pack('<Q', len(text)) + text + data.tobytes())
plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
odd = [b for b in range(256) if b not in plain]
vocab = {chr(b if b in plain else 256 + odd.index(b)): b for b in range(256)}
json.dump({'model': {'type': 'BPE', 'vocab': vocab, 'merges': []}, 'added_tokens': [],
           'pre_tokenizer': {'type': 'ByteLevel', 'add_prefix_space': False}, 'decoder': {'type': 'ByteLevel'}},
          open('base/tokenizer.json', 'w'))
json.dump({'architectures': ['LlamaForCausalLM'], 'hidden_size': 128, 'num_hidden_layers': 1, 'num_attention_heads': 4,
           'num_key_value_heads': 4, 'intermediate_size': 128, 'vocab_size': 256, 'max_position_embeddings': 128,
           'rms_norm_eps': 1e-5}, open('base/config.json', 'w'))
END
yes 'def f(x): return x' | head -40 >text
r1-quantize -q ./base --type w4a16 -o plain >/dev/null; echo $?
r1-quantize -q ./base --type w4a16 --calibration text --imatrix-out im.gguf -o a >/dev/null; echo $?
r1-quantize -q ./base --type w4a16 --imatrix im.gguf -o b >/dev/null; diff -r a b && ! cmp -s plain/model.safetensors a/model.safetensors && echo same
# Error feedback gives another one, the same for any number of threads, which is read as any.
for t in 1 2; do r1-quantize -q ./base --type w4a16 --calibration text --method gptq -t $t -o c$t --manifest m$t >/dev/null; done
diff -r c1 c2 && ! cmp -s a/model.safetensors c1/model.safetensors && r1-complete -m ./c1 -p x -n 2 >/dev/null && echo runs
jq -c '[.method, (.inputs | map(.path))]' m1
# What has nothing to search, what lacks its text, what is of another model; nothing is left of it.
r1-quantize ./base --type fp8 --calibration text -o x; echo $?
r1-quantize ./base --type w4a16 --method gptq -o x; echo $?
r1-quantize ./base --type w4a16 --method rtn --imatrix im.gguf -o x; echo $?
r1-quantize ./base --type w4a16 --calibration text --imatrix-out im.gguf -o x; echo $?
r1-quantize ./base --type w4a16 --calibration missing -o x; echo $?
r1-quantize ./base --type w4a16 --calibration text --imatrix-out x -o x; echo $?
r1-quantize -q $TINY_MODEL --type q4_0 --calibration text --imatrix-out other.gguf -o y.gguf >/dev/null
r1-quantize ./base --type w4a16 --imatrix other.gguf -o x; echo $?
ls
# Broken off while it reads the text there is nothing to go on with; what there is, the same run alone goes on with.
mkfifo slow; env --default-signal=INT r1-quantize -q ./base --type w4a16 --calibration slow -o z & pid=$!
exec 3>slow; until [ -d z.partial ]; do sleep 0.05; done; kill -INT $pid; cat text >&3; exec 3>&-; wait $pid; echo $?; ls -d z* 2>/dev/null; mkdir z.partial
r1-quantize ./base --type w4a16 --calibration text -o z; echo $?
r1-quantize ./base --type w4a16 --calibration missing --resume -o z; echo $?; ls -d z*
r1-quantize -q ./base --type w4a16 --calibration text --resume -o z >/dev/null; diff -r z a && echo same; ls -d z*
cp -r plain z2.partial; echo other >z2.partial/r1.recipe; r1-quantize ./base --type w4a16 --resume -o z2; echo $?; ls z2.partial
r1-quantize -q ./base --type w4a16 -f -o z2 >/dev/null; diff -r plain z2 && ls -d z2*
