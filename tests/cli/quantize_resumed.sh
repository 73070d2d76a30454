# A run that a signal breaks off is gone on with where what stands there is what it would write. Models of some matrices, a .gguf file and a directory.
python3 - <<'PY'
import array, json, os, random, struct
random.seed(1)
numbers = array.array('f', (random.gauss(0, 0.1) for _ in range(256 * 512 + 14))).tobytes()
data = b''.join(numbers[4 * i:4 * (256 * 512 + i)] for i in range(14))
s = lambda text: struct.pack('<Q', len(text)) + text.encode()
gguf = b'GGUF' + struct.pack('<IQQ', 3, 14, 1) + s('general.architecture') + struct.pack('<I', 8) + s('llama')
for i in range(14):
    gguf += s(f'blk.{i}.ffn_down.weight') + struct.pack('<IQQIQ', 2, 512, 256, 0, i << 19)
open('m.gguf', 'wb').write(gguf + b'\0' * (-len(gguf) % 32) + data)
os.mkdir('base')
W, I = 256, 512
layer = {'input_layernorm': [W], 'post_attention_layernorm': [W], 'mlp.down_proj': [W, I], 'mlp.gate_proj': [I, W], 'mlp.up_proj': [I, W],
         **{f'self_attn.{x}_proj': [W, W] for x in 'qkvo'}}
shapes = {'model.embed_tokens': [64, W], 'model.norm': [W], **{f'model.layers.{i}.{n}': d for i in range(9) for n, d in layer.items()}}
header, weights = {}, b''
for name, shape in shapes.items():
    bytes_ = 4 * shape[0] * (shape + [1])[1]
    header[name + '.weight'] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [len(weights), len(weights) + bytes_]}
    weights += numbers[:bytes_]
header = json.dumps(header).encode()
open('base/model.safetensors', 'wb').write(struct.pack('<Q', len(header)) + header + weights)
json.dump({'architectures': ['LlamaForCausalLM'], 'hidden_size': W, 'intermediate_size': I, 'num_hidden_layers': 9, 'num_attention_heads': 4,
           'num_key_value_heads': 4, 'rms_norm_eps': 1e-6, 'max_position_embeddings': 128}, open('base/config.json', 'w'))
open('base/tokenizer.json', 'w').write('{}')
PY
gguf() { r1-quantize -v --type iq4_xs "$@" >/dev/null 2>said; }
folder() { r1-quantize -v --type w4a16 "$@" >/dev/null 2>said; }
# ... SUMS: the signal comes when four tensors are noted there.
broken() { sums=${!#}; env --default-signal=INT "${@:1:$#-1}" -q >/dev/null 2>>interrupted & pid=$!
  until [ "$({ wc -l <$sums; } 2>/dev/null)" -ge 4 ] 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done; kill -INT $pid; wait $pid; echo $?; }
kept() { sed -n 's/^r1-quantize: [1-9][0-9]* of/SOME of/; s/^r1-quantize: //; /tensors are written/p' said; }
gguf m.gguf -o whole.gguf; folder ./base -o whole
broken r1-quantize m.gguf --type iq4_xs -o x.gguf x.gguf.partial.sums; sort -u interrupted; ls x.*; mkdir left; mv x.* left
again() { rm -f x.gguf; cp left/* .; }
again; gguf m.gguf --resume -o x.gguf; kept; cmp x.gguf whole.gguf && ls x.*
# A damaged place; a journal that was cut.
again; head -c 64 /dev/zero | dd of=x.gguf.partial bs=1 seek=200000 conv=notrunc 2>/dev/null
gguf m.gguf --resume -o x.gguf; kept; cmp x.gguf whole.gguf && echo same
again; head -c 300 left/x.gguf.partial.sums >x.gguf.partial.sums
gguf m.gguf --resume -o x.gguf; kept; cmp x.gguf whole.gguf && echo same
# Another model whose samples are the same: no mixture of the two.
again; cp m.gguf other.gguf; printf x | dd of=other.gguf bs=1 seek=1900000 conv=notrunc 2>/dev/null
gguf other.gguf -o whole2.gguf; gguf other.gguf --resume -o x.gguf; kept; cmp x.gguf whole2.gguf && echo same
# -f begins anew, and what was noted before is no more.
again; r1-quantize -q m.gguf --type f16 -f -o x.gguf | cut -f1; ls x.*
# What a run with -f left is gone on with, and replaces what is there.
broken r1-quantize m.gguf --type iq4_xs -f -o x.gguf x.gguf.partial.sums; tail -1 interrupted; cp x.gguf f16.gguf
gguf m.gguf --resume -o x.gguf; echo $?; tail -1 said; cmp x.gguf f16.gguf && gguf m.gguf --resume -f -o x.gguf; kept; cmp x.gguf whole.gguf && ls x.*
# In shards, each with a journal of its own.
broken r1-quantize m.gguf --type iq4_xs --shard-size 400K -o s.gguf s-00002-of-00003.gguf.partial.sums; ls s-* | head -2
gguf m.gguf --resume --shard-size 400K -o s.gguf; kept; gguf m.gguf --shard-size 400K -o t.gguf
for i in 1 2 3; do cmp s-0000$i-of-00003.gguf t-0000$i-of-00003.gguf && echo same; done; ls s-*
# One of them has its name when the run is killed, in the place of an earlier one.
for i in 1 2 3; do cp t-0000$i-of-00003.gguf s-0000$i-of-00003.gguf.partial; : >s-0000$i-of-00003.gguf.partial.sums; echo old >s-0000$i-of-00003.gguf; done
mv s-00001-of-00003.gguf.partial s-00001-of-00003.gguf; gguf m.gguf --resume -f --shard-size 400K -o s.gguf
for i in 1 2 3; do cmp s-0000$i-of-00003.gguf t-0000$i-of-00003.gguf && echo same; done; ls s-*
# A directory.
break_folder() { broken r1-quantize ./base --type w4a16 -o d d.partial/r1.sums; }
break_folder; ls d.partial | sed 's/[.]partial$//'; folder ./base --resume -o d; kept; diff -r d whole && ls -d d*; rm -r d
break_folder; head -c 64 /dev/zero | dd of=$(ls d.partial/model*) bs=1 seek=200000 conv=notrunc 2>/dev/null
folder ./base --resume -o d; kept; diff -r d whole
broken r1-quantize ./base --type w4a16 -f -o d d.partial/r1.sums; tail -1 interrupted; folder ./base --resume -f -o d; kept; diff -r d whole && ls -d d*; rm -r d
