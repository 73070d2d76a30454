#!/usr/bin/env python3
"""Writes a Hugging Face folder of random bf16 weights, for measuring memory and loading.

    random_checkpoint.py SHAPE FOLDER        SHAPE: 15M 125M 1.1B 7B 70B (Llama)  1.5B (R1-Distill-Qwen-1.5B)

The tokenizer has the 256 bytes alone. One block of random numbers is written again and again: what
is measured does not depend on the values. With --holes only the first block of a tensor is written and
the rest is a hole in the file, which reads as zeros and takes no disk. Needs numpy.
"""
import argparse
import json
import pathlib
import struct

import numpy as np

from random_gguf import CONTEXT as SHORT_CONTEXT, SHAPES, STD, VOCAB

CONTEXT = 131072
BLOCK = 1 << 22
LARGE = {"70B": (80, 8192, 64, 8, 28672)}  # Llama 3
LARGE_VOCAB = 128256


def config(shape):
    if shape == "1.5B":
        return {"architectures": ["Qwen2ForCausalLM"], "hidden_size": 1536, "num_hidden_layers": 28,
                "num_attention_heads": 12, "num_key_value_heads": 2, "intermediate_size": 8960, "vocab_size": 151936,
                "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-6, "rope_theta": 10000, "hidden_act": "silu",
                "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    layers, width, heads, kv_heads, inner = (SHAPES | LARGE)[shape]
    return {"architectures": ["LlamaForCausalLM"], "hidden_size": width, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "intermediate_size": inner,
            "vocab_size": LARGE_VOCAB if shape in LARGE else VOCAB, "max_position_embeddings": SHORT_CONTEXT.get(shape, 2048), "rms_norm_eps": 1e-5, "rope_theta": 10000,
            "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "bfloat16"}


def tensors(c):
    """(name, shape) of every tensor."""
    width, inner, vocab = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    kv = width // c["num_attention_heads"] * c["num_key_value_heads"]
    yield "model.embed_tokens.weight", (vocab, width)
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for name, rows in [("q_proj", width), ("k_proj", kv), ("v_proj", kv)]:
            yield f"{layer}self_attn.{name}.weight", (rows, width)
            if c["architectures"] == ["Qwen2ForCausalLM"]:
                yield f"{layer}self_attn.{name}.bias", (rows,)
        yield layer + "self_attn.o_proj.weight", (width, width)
        for name, dims in [("gate_proj", (inner, width)), ("up_proj", (inner, width)), ("down_proj", (width, inner))]:
            yield f"{layer}mlp.{name}.weight", dims
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{layer}{name}.weight", (width,)
    yield "model.norm.weight", (width,)
    yield "lm_head.weight", (vocab, width)


def write_weights(path, plan, seed, holes):
    header, at = {}, 0
    for name, dims in plan:
        end = at + 2 * int(np.prod(dims))
        header[name] = {"dtype": "BF16", "shape": list(dims), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    values = np.random.default_rng(seed).standard_normal(BLOCK, np.float32) * STD
    block = (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    one = b"\x80\x3f"
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, dims in plan:
            n = 2 * int(np.prod(dims))
            if "norm" in name:
                out.write(one * (n // 2))
                continue
            while n > 0:
                n -= out.write(block[:n])
                if holes:
                    out.seek(n, 1)
                    break
        out.truncate(struct.calcsize("<Q") + len(text) + at)


def tokenizer():
    """The bytes as letters, as byte-level BPE writes them, and no merges."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {b: chr(b) for b in plain}
    letters.update({b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in letters)})
    return {"version": "1.0", "added_tokens": [], "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None, "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": {letters[b]: b for b in range(256)}, "merges": []}}


def write_shards(folder, plan, count, seed, holes):
    """As many files of about as many tensors, and the index that names them."""
    if count == 1:
        return write_weights(folder / "model.safetensors", plan, seed, holes)
    files = {}
    for i in range(count):
        name = f"model-{i + 1:05}-of-{count:05}.safetensors"
        part = plan[len(plan) * i // count:len(plan) * (i + 1) // count]
        write_weights(folder / name, part, seed + i, holes)
        files |= {tensor: name for tensor, _ in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}) + "\n")


def write(folder, shape, seed=0, layers=None, shards=1, holes=False):
    folder.mkdir(parents=True, exist_ok=True)
    described = config(shape)
    if layers is not None:
        described["num_hidden_layers"] = layers
    (folder / "config.json").write_text(json.dumps(described, indent=1) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()) + "\n")
    write_shards(folder, list(tensors(described)), shards, seed, holes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", choices=[*SHAPES, *LARGE, "1.5B"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", type=int, help="another number of them")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--holes", action="store_true")
    args = parser.parse_args()
    write(args.folder, args.shape, args.seed, args.layers, args.shards, args.holes)


if __name__ == "__main__":
    main()
