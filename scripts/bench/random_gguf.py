#!/usr/bin/env python3
"""Writes a Llama model of random weights as GGUF v3, for measuring speed and memory.

    random_gguf.py SHAPE TYPE OUT.gguf        SHAPE: 15M 125M 1.1B 7B     TYPE: f16 bf16 q8_0 q4_0 q4_k q5_k q6_k iq4_nl iq4_xs

Numbers repeat after 4 million: what is measured does not depend on them. Blocks are random bits under a scale that gives weights a standard deviation of about 0.02, so that
activations stay finite. Needs numpy.
"""
import argparse
import struct

import numpy as np

# layers, width, heads, key-value heads, feed-forward
SHAPES = {
    "15M": (6, 288, 6, 6, 768),
    "125M": (12, 768, 12, 12, 2048),
    "1.1B": (22, 2048, 32, 4, 5632),
    "7B": (32, 4096, 32, 8, 14336),  # Mistral 7B
}
CONTEXT = {"7B": 32768}  # the others: 2048
VOCAB = 32000
TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 8, "q4_k": 12, "q5_k": 13, "q6_k": 14, "iq4_nl": 20, "iq4_xs": 23, "bf16": 30}
BLOCK = {"f32": (1, 4), "f16": (1, 2), "bf16": (1, 2), "q8_0": (32, 34), "q4_0": (32, 18), "q4_k": (256, 144), "q5_k": (256, 176),
         "q6_k": (256, 210), "iq4_nl": (32, 18), "iq4_xs": (256, 136)}  # elements, bytes
PLAIN = {"q4_k": "q8_0", "q5_k": "q8_0", "q6_k": "q8_0", "iq4_xs": "iq4_nl"}
STD = 0.02
DRAWN = 1 << 22
ALIGNMENT = 32
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


def half(value):
    return np.frombuffer(np.float16(value).tobytes(), np.uint8)


def random_blocks(rng, n, kind):
    """Bytes of n weights (n a multiple of 256, or of 32 for the plain types)."""
    if kind == "f32":
        return (rng.standard_normal(n, np.float32) * STD).tobytes()
    if kind == "f16":
        return (rng.standard_normal(n, np.float32) * STD).astype(np.float16).tobytes()
    if kind == "bf16":
        bits = (rng.standard_normal(n, np.float32) * STD).view(np.uint32)
        return (bits >> 16).astype(np.uint16).tobytes()
    elements, size = BLOCK[kind]
    blocks = rng.integers(0, 256, (n // elements, size), np.uint8)
    if kind == "q8_0":
        blocks[:, :2] = half(STD / 73.9)  # standard deviation of a random int8
    elif kind == "q4_0":
        blocks[:, :2] = half(STD / 4.61)  # of a random nibble
    elif kind == "iq4_nl":
        blocks[:, :2] = half(STD / 67.4)  # of a random place in the codebook
    elif kind == "iq4_xs":  # every scale of six bits 0x30, which is 16
        blocks[:, :2], blocks[:, 2:4], blocks[:, 4:8] = half(STD / 67.4 / 16), 0xFF, 0
    elif kind == "q6_k":  # d sc (q - 32) with every sc = 32
        blocks[:, 192:208], blocks[:, 208:] = 32, half(STD / 18.5 / 32)
    else:  # d sc q - m mn with every sc = mn = 32: centred when m is d times the middle of q
        most = 15 if kind == "q4_k" else 31
        d = STD / (most / 3.25) / 32
        blocks[:, 0:2], blocks[:, 2:4] = half(d), half(most / 2 * d)
        blocks[:, 4:12], blocks[:, 12:16] = 32 | 0x80, 0  # high bits of sub-blocks 4-7 say 32 too
    return blocks.tobytes()


def tensors(shape, kind):
    """(name, dimensions outermost first, type) of every tensor."""
    layers, width, heads, kv_heads, inner = SHAPES[shape]
    kv = width // heads * kv_heads
    # 288 and the like are no multiple of 256: such rows take the nearest plain type.
    fit = lambda k: PLAIN.get(kind, kind) if k % 256 else kind
    yield "token_embd.weight", (VOCAB, width), fit(width)
    for i in range(layers):
        yield f"blk.{i}.attn_norm.weight", (width,), "f32"
        for name, rows, cols in [("attn_q", width, width), ("attn_k", kv, width), ("attn_v", kv, width),
                                 ("attn_output", width, width)]:
            yield f"blk.{i}.{name}.weight", (rows, cols), fit(cols)
        yield f"blk.{i}.ffn_norm.weight", (width,), "f32"
        for name, rows, cols in [("ffn_gate", inner, width), ("ffn_up", inner, width),
                                 ("ffn_down", width, inner)]:
            yield f"blk.{i}.{name}.weight", (rows, cols), fit(cols)
    yield "output_norm.weight", (width,), "f32"
    yield "output.weight", (VOCAB, width), fit(width)


def text(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def metadata(shape):
    """The key-value pairs, packed, and their number."""
    layers, width, heads, kv_heads, inner = SHAPES[shape]
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += [f"\u2581w{i}" for i in range(VOCAB - len(pieces))]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (VOCAB - 259)
    scores = [0.0] * 259 + [-float(i) for i in range(VOCAB - 259)]
    pairs = [
        ("general.architecture", STRING, text("llama")),
        ("general.name", STRING, text(f"random-{shape}")),
        ("llama.block_count", U32, struct.pack("<I", layers)),
        ("llama.context_length", U32, struct.pack("<I", CONTEXT.get(shape, 2048))),
        ("llama.embedding_length", U32, struct.pack("<I", width)),
        ("llama.feed_forward_length", U32, struct.pack("<I", inner)),
        ("llama.attention.head_count", U32, struct.pack("<I", heads)),
        ("llama.attention.head_count_kv", U32, struct.pack("<I", kv_heads)),
        ("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
        ("llama.rope.dimension_count", U32, struct.pack("<I", width // heads)),
        ("tokenizer.ggml.model", STRING, text("llama")),
        ("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", STRING, VOCAB) + b"".join(map(text, pieces))),
        ("tokenizer.ggml.scores", ARRAY, struct.pack(f"<IQ{VOCAB}f", F32, VOCAB, *scores)),
        ("tokenizer.ggml.token_type", ARRAY, struct.pack(f"<IQ{VOCAB}i", I32, VOCAB, *kinds)),
        ("tokenizer.ggml.bos_token_id", U32, struct.pack("<I", 1)),
        ("tokenizer.ggml.eos_token_id", U32, struct.pack("<I", 2)),
        ("tokenizer.ggml.unknown_token_id", U32, struct.pack("<I", 0)),
        ("tokenizer.ggml.add_bos_token", BOOL, b"\1"),
    ]
    return b"".join(text(k) + struct.pack("<I", t) + v for k, t, v in pairs), len(pairs)


def padded(n):
    return -n % ALIGNMENT


def write(path, shape, kind, seed):
    rng = np.random.default_rng(seed)
    pairs, count = metadata(shape)
    table, offset, plan = b"", 0, list(tensors(shape, kind))
    for name, dims, dtype in plan:
        elements, size = BLOCK[dtype]
        table += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims[::-1], TYPES[dtype], offset)
        nbytes = int(np.prod(dims)) // elements * size
        offset += nbytes + padded(nbytes)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(plan), count) + pairs + table
    with open(path, "wb") as out:
        out.write(head + b"\0" * padded(len(head)))
        for _, dims, dtype in plan:
            n = int(np.prod(dims))
            nbytes = n // BLOCK[dtype][0] * BLOCK[dtype][1]
            if len(dims) == 1:
                out.write(np.ones(n, np.float32).tobytes())
            else:
                drawn = random_blocks(rng, min(n, DRAWN), dtype)
                out.writelines(drawn[:nbytes - at] for at in range(0, nbytes, len(drawn)))
            out.write(b"\0" * padded(nbytes))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("type", choices=TYPES)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write(args.out, args.shape, args.type, args.seed)


if __name__ == "__main__":
    main()
