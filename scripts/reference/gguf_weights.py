"""Reads a GGUF file of our models back: PyTorch tensors (F32, F16, Q8_0, Q4_0) in f32, and the tokenizer."""
import struct

import numpy as np
import sentencepiece as spm
import sentencepiece.sentencepiece_model_pb2 as sp_model
import torch

from export_gguf import ALIGNMENT, LAYER_NAMES, NAMES

LIST_FORMS = {5: "i", 6: "f", 8: None}  # of the vocabulary; None: texts
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def text(self):
        n = self.number("Q")
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def skip_value(self, kind):
        if kind == 8:
            self.text()
        elif kind == 9:
            inner, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.skip_value(inner)
        else:
            self.at += SIZES[kind]


def values(raw, kind, count):
    """`count` numbers in f32 from the bytes where a tensor begins."""
    if kind == 0:
        return np.frombuffer(raw, np.float32, count)
    if kind == 1:
        return np.frombuffer(raw, np.float16, count).astype(np.float32)
    if kind == 2:  # element k of 32 in the low half of byte k, element k + 16 in the high one
        blocks = np.frombuffer(raw, np.dtype([("step", "<f2"), ("q", "u1", 16)]), count // 32)
        q = np.concatenate([blocks["q"] & 15, blocks["q"] >> 4], 1).astype(np.float32) - 8
        return (blocks["step"].astype(np.float32)[:, None] * q).reshape(-1)
    assert kind == 8, f"tensors of type {kind} are not read"
    blocks = np.frombuffer(raw, np.dtype([("step", "<f2"), ("q", "i1", 32)]), count // 32)
    return (blocks["step"].astype(np.float32)[:, None] * blocks["q"]).reshape(-1)


def name_of(gguf):
    """The safetensors name of a GGUF tensor."""
    for ours, theirs in NAMES.items():
        if gguf == theirs:
            return ours
    _, layer, rest = gguf.split(".", 2)
    ours = next(k for k, v in LAYER_NAMES.items() if v == rest)
    return f"model.layers.{layer}.{ours}"


def read_weights(path):
    """{safetensors name: tensor} of a GGUF file."""
    cursor = Cursor(path.read_bytes())
    cursor.at = 8
    tensors, pairs, found = cursor.number("Q"), cursor.number("Q"), {}
    for _ in range(pairs):
        cursor.text()
        cursor.skip_value(cursor.number("I"))
    for _ in range(tensors):
        name = cursor.text()
        dims = [cursor.number("Q") for _ in range(cursor.number("I"))]
        found[name_of(name)] = dims[::-1], cursor.number("I"), cursor.number("Q")
    begin = -(-cursor.at // ALIGNMENT) * ALIGNMENT
    raw = memoryview(cursor.data)
    return {name: torch.from_numpy(values(raw[begin + offset:], kind, int(np.prod(shape))).copy()).view(*shape)
            for name, (shape, kind, offset) in found.items()}


def read_tokenizer(path):
    """The sentencepiece processor of a GGUF file of ours: BPE over bytes, no space before a text."""
    cursor, lists = Cursor(path.read_bytes()), {}
    cursor.at = 16
    for _ in range(cursor.number("Q")):
        key, kind = cursor.text(), cursor.number("I")
        if kind != 9:
            cursor.skip_value(kind)
            continue
        form, count = LIST_FORMS[cursor.number("I")], cursor.number("Q")
        lists[key] = [cursor.text() if form is None else cursor.number(form) for _ in range(count)]
    model = sp_model.ModelProto()
    for piece, score, kind in zip(*(lists[f"tokenizer.ggml.{name}"] for name in ("tokens", "scores", "token_type"))):
        model.pieces.add(piece=piece, score=score, type=kind)
    model.trainer_spec.MergeFrom(sp_model.TrainerSpec(model_type="BPE", byte_fallback=True))
    model.normalizer_spec.MergeFrom(sp_model.NormalizerSpec(name="identity", add_dummy_prefix=False,
                                                            remove_extra_whitespaces=False))
    return spm.SentencePieceProcessor(model_proto=model.SerializeToString())
