#!/usr/bin/env python3
"""Writes tests/models/daw/seed_N.safetensors: DAW-1 in float64 with the gradient of every input.

    scripts/reference/daw_golden.py tests/models/daw

Each file holds, as float32: the inputs x, w, b, l (gate), w2, b2 (gain), q, k, v; newline and start
(int32, one a row); A and `out`; `weights`, for the loss sum(weights * out); and the gradient of each
input by autograd, `d` + name. The metadata tell the seed and the version.
"""
import pathlib
import sys

import torch
from safetensors.torch import save_file

import daw

T, H, KV, HD, WIDTH = 37, 4, 2, 8, 16
DOCUMENT = [0] * 22 + [1] * 15
NEWLINES = [3, 9, 16, 25, 33]


def case(seed):
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape, scale=1.0, mean=0.0):
        return (torch.randn(*shape, generator=rng) * scale + mean).double()  # float32 numbers exactly

    inputs = {
        "x": normal(T, WIDTH), "w": normal(KV, WIDTH, scale=0.2), "b": normal(KV, mean=3.0),
        "l": normal(KV, mean=2.0), "w2": normal(KV, WIDTH, scale=0.2), "b2": normal(KV, scale=0.5),
        "q": normal(T, H, HD), "k": normal(T, KV, HD), "v": normal(T, KV, HD),
    }
    weights = normal(T, H, HD)
    for value in inputs.values():
        value.requires_grad_()
    i = inputs
    document = torch.tensor(DOCUMENT)
    newline = torch.zeros(T, dtype=torch.int64)
    newline[NEWLINES] = 1
    A = daw.decay((i["x"] @ i["w"].T)[None], i["b"], i["l"], newline[None], document[None])
    g = daw.gain((i["x"] @ i["w2"].T)[None], i["b2"])[0]                # [T, KV]
    gained = i["q"] * g.repeat_interleave(H // KV, 1)[..., None]        # [T, H, hd]
    heads = [t.transpose(0, 1)[None] for t in (gained, i["k"], i["v"])]  # [1, H or KV, T, hd]
    out = daw.attention(*heads, A, document[None])[0].transpose(0, 1)   # [T, H, hd]
    (weights * out).sum().backward()

    start = torch.tensor([DOCUMENT.index(d) for d in DOCUMENT])
    tensors = dict(inputs, A=A[0], out=out, weights=weights)
    tensors.update({"d" + name: value.grad for name, value in inputs.items()})
    tensors = {name: value.detach().float().contiguous() for name, value in tensors.items()}
    return dict(tensors, newline=newline.int(), start=start.int())


def main():
    folder = pathlib.Path(sys.argv[1])
    for seed in (1, 2, 3):
        save_file(case(seed), folder / f"seed_{seed}.safetensors",
                  {"seed": str(seed), "torch": torch.__version__, "dtype": "float64"})


main()
