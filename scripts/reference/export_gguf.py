#!/usr/bin/env python3
"""Writes a trained model as GGUF v3: matrices in Q8_0 (or F16, F32), the rest in F32.

    export_gguf.py --state RUN/state.pt --config RUN/config.json --tokenizer tokenizer.model --out OUT.gguf [--type q8_0]
"""
import argparse
import json
import pathlib
import struct

import numpy as np
import sentencepiece.sentencepiece_model_pb2 as sp_model
import torch

ALIGNMENT = 32
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
TYPE_NUMBER = {"f32": 0, "f16": 1, "q8_0": 8}
FILE_TYPE = {"f32": 0, "f16": 1, "q8_0": 7}
FIM = {"fim_pre": "<|fim_prefix|>", "fim_suf": "<|fim_suffix|>", "fim_mid": "<|fim_middle|>",
       "fim_rep": "<|repo_name|>", "fim_sep": "<|file_sep|>"}
LAYER_NAMES = {
    "input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight", "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight", "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight", "self_attn.k_norm.weight": "attn_k_norm.weight",
    "self_attn.daw.gate.weight": "attn_daw_gate.weight", "self_attn.daw.gate.bias": "attn_daw_gate.bias",
    "self_attn.daw.newline": "attn_daw_newline", "self_attn.daw.gain.weight": "attn_daw_gain.weight",
    "self_attn.daw.gain.bias": "attn_daw_gain.bias", "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight", "mlp.down_proj.weight": "ffn_down.weight",
}
NAMES = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}


def gguf_name(name):
    if name in NAMES:
        return NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{LAYER_NAMES[rest]}"


def q8_0(values):
    """Blocks of 32: a half-precision step and 32 signed bytes, rounded on the step as it is stored."""
    blocks = values.reshape(-1, 32).astype(np.float32)
    step = (np.abs(blocks).max(1) / 127).astype(np.float16)
    wide = step.astype(np.float32)[:, None]
    q = np.rint(np.divide(blocks, wide, out=np.zeros_like(blocks), where=wide != 0)).clip(-127, 127)
    return np.concatenate([step[:, None].view(np.uint8), q.astype(np.int8).view(np.uint8)], 1).tobytes()


def packed(name, tensor, kind):
    """(type, bytes) of a tensor: only matrices of the products are made small."""
    values = tensor.detach().float().numpy()
    if values.ndim == 1 or ".daw." in name or kind == "f32":
        return "f32", values.tobytes()
    return (kind, q8_0(values)) if kind == "q8_0" else ("f16", values.astype(np.float16).tobytes())


def text(s):
    raw = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(raw)) + raw


def array(kind, items, packer):
    return struct.pack("<IQ", kind, len(items)) + b"".join(map(packer, items))


def metadata(config, tokenizer, kind, name):
    """(key, type, packed value) of every pair."""
    plus = "daw" in config
    arch = "r1plus" if plus else "r1"
    pieces = tokenizer.pieces
    number = lambda n: (U32, struct.pack("<I", n))
    yield "general.architecture", STRING, text(arch)
    yield "general.name", STRING, text(name)
    yield "general.license", STRING, text("apache-2.0")
    yield "general.file_type", *number(FILE_TYPE[kind])
    for key, value in [("block_count", config["num_hidden_layers"]), ("embedding_length", config["hidden_size"]),
                       ("feed_forward_length", config["intermediate_size"]),
                       ("context_length", config["max_position_embeddings"]),
                       ("attention.head_count", config["num_attention_heads"]),
                       ("attention.head_count_kv", config["num_key_value_heads"]),
                       ("attention.key_length", config["head_dim"]), ("attention.value_length", config["head_dim"])]:
        yield f"{arch}.{key}", *number(value)
    yield f"{arch}.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", config["rms_norm_eps"])
    yield f"{arch}.rope.freq_base", F32, struct.pack("<f", config["rope_theta"])
    for switch in ("newline", "gain") if plus else ():
        yield f"{arch}.daw.{switch}", BOOL, struct.pack("<?", config["daw"][switch])
    yield "tokenizer.ggml.model", STRING, text("llama")
    yield "tokenizer.ggml.tokens", ARRAY, array(STRING, pieces, lambda p: text(p.piece))
    yield "tokenizer.ggml.scores", ARRAY, array(F32, pieces, lambda p: struct.pack("<f", p.score))
    yield "tokenizer.ggml.token_type", ARRAY, array(I32, pieces, lambda p: struct.pack("<i", p.type))
    yield "tokenizer.ggml.unknown_token_id", *number(tokenizer.trainer_spec.unk_id)
    yield "tokenizer.ggml.bos_token_id", *number(tokenizer.trainer_spec.bos_id)
    yield "tokenizer.ggml.eos_token_id", *number(tokenizer.trainer_spec.eos_id)
    number_of = {p.piece: i for i, p in enumerate(pieces)}
    for key, piece in FIM.items():
        yield f"tokenizer.ggml.{key}_token_id", *number(number_of[piece])
    yield "tokenizer.ggml.add_bos_token", BOOL, b"\1"
    yield "tokenizer.ggml.add_space_prefix", BOOL, b"\0"


def write(out, config, tokenizer, tensors, kind, name):
    pairs = list(metadata(config, tokenizer, kind, name))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(text(k) + struct.pack("<I", t) + v for k, t, v in pairs)
    offset, data = 0, []
    for key, tensor in sorted(tensors.items()):
        dtype, raw = packed(key, tensor, kind)
        dims = list(tensor.shape)[::-1]
        head += text(gguf_name(key)) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, TYPE_NUMBER[dtype], offset)
        raw += b"\0" * (-len(raw) % ALIGNMENT)
        offset += len(raw)
        data.append(raw)
    out.write_bytes(head + b"\0" * (-len(head) % ALIGNMENT) + b"".join(data))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("state", "config", "tokenizer", "out"):
        parser.add_argument("--" + name, type=pathlib.Path, required=True)
    parser.add_argument("--type", choices=TYPE_NUMBER, default="q8_0")
    parser.add_argument("--name", default="r1-plus-mini")
    args = parser.parse_args()
    tokenizer = sp_model.ModelProto()
    tokenizer.ParseFromString(args.tokenizer.read_bytes())
    state = torch.load(args.state, map_location="cpu")["model"]
    write(args.out, json.loads(args.config.read_text()), tokenizer, state, args.type, args.name)


if __name__ == "__main__":
    main()
