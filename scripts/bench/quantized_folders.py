#!/usr/bin/env python3
"""Do the published packages and r1-quantize mean the same by a quantized folder?

    pip install --no-deps --target PACKAGES compressed-tensors autoawq auto-gptq
    quantized_folders.py PACKAGES

Reading: matrices that compressed-tensors packs, and random words that AutoAWQ and AutoGPTQ make into weights, become
weights of f16 here, bit for bit those of the packages. Writing: a matrix as fp8, fp8_block and w4a16, which torch and
compressed-tensors read, is within the error of its type. Needs torch, numpy and safetensors, and a release build of r1.
Of each package one file runs, alone: what it imports beside torch and numpy is not needed.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import types

import torch
from safetensors.torch import load_file, save_file

QUANTIZE = pathlib.Path(__file__).resolve().parents[2] / "build/release/bin/r1-quantize"
MODULE = "model.layers.0.mlp.up_proj"
GROUP = 32


def one_file(path, without):
    """The names that a file of a package defines, less the imports that begin so."""
    lines = [line for line in path.read_text().split("\n") if not line.startswith(without)]
    module = types.ModuleType(path.stem)
    exec(compile("\n".join(lines), str(path), "exec"), module.__dict__)
    return module


def quantize(tensors, config, kind):
    """The tensors of the folder that r1-quantize makes of these."""
    with tempfile.TemporaryDirectory() as work:
        source = pathlib.Path(work, "in")
        source.mkdir()
        save_file({f"{MODULE}.{part}": t.contiguous() for part, t in tensors.items()}, source / "model.safetensors")
        (source / "config.json").write_text(json.dumps({"quantization_config": config} if config else {}))
        subprocess.run([QUANTIZE, "-q", source, "--type", kind, "-o", work + "/out"], check=True,
                       stdout=subprocess.DEVNULL)
        made = load_file(work + "/out/model.safetensors")
        return {name.removeprefix(MODULE + "."): t for name, t in made.items()}


def same(what, tensors, config, want):
    equal = torch.equal(quantize(tensors, config, "f16")["weight"], want)
    print(f"{what}\t{'the same bits' if equal else 'DIFFERENT'}")
    return equal


def words(*shape):
    return torch.randint(-2**31, 2**31, shape, dtype=torch.int64).to(torch.int32)


def scales(*shape):
    return (torch.rand(shape) * 0.01 + 0.001).to(torch.float16)


def by_group(t, dim, size=GROUP):
    return t.float().repeat_interleave(size, dim)


def packed_config(symmetric):
    return {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"group_0": {
        "targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": GROUP,
                                           "symmetric": symmetric}}}}


def compressed_tensors(package):
    N, K = 11, 3 * GROUP
    for symmetric in (True, False):
        q = torch.randint(-8, 8, (N, K), dtype=torch.int8)
        z = torch.randint(-8, 8, (N, K // GROUP), dtype=torch.int8) * (not symmetric)
        s = scales(N, K // GROUP)
        tensors = {"weight_packed": package.pack_to_int32(q, 4), "weight_scale": s,
                   "weight_shape": torch.tensor([N, K])}
        if not symmetric:
            tensors["weight_zero_point"] = package.pack_to_int32(z, 4, packed_dim=0)
        want = ((q.float() - by_group(z, 1)) * by_group(s, 1)).to(torch.float16)
        yield f"compressed-tensors, {'' if symmetric else 'a'}symmetric", tensors, packed_config(symmetric), want


def awq(package):
    K, N = 3 * GROUP, 40
    q, z, s = words(K, N // 8), words(K // GROUP, N // 8), scales(K // GROUP, N)
    levels, zeros = package.reverse_awq_order(*package.unpack_awq(q, z, 4), 4)
    want = (((levels & 15).float() - by_group(zeros & 15, 0)) * by_group(s, 0)).to(torch.float16).t()
    yield "AutoAWQ", {"qweight": q, "qzeros": z, "scales": s}, {
        "quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"}, want


def gptq(package):
    K, N = 4 * GROUP, 64
    for bits in (4, 8):
        for ordered in (False, True):
            linear = package.QuantLinear(bits, GROUP, K, N, False, weight_dtype=torch.float16)
            linear.qweight, linear.qzeros = words(*linear.qweight.shape), words(*linear.qzeros.shape)
            linear.scales = scales(K // GROUP, N)
            if ordered:
                linear.g_idx = linear.g_idx[torch.randperm(K)]
            tensors = {part: getattr(linear, part) for part in ("qweight", "qzeros", "scales", "g_idx")}
            want = linear.forward(torch.eye(K, dtype=torch.float16)).t()
            yield f"AutoGPTQ, {bits} bits{', desc_act' if ordered else ''}", tensors, {
                "quant_method": "gptq", "bits": bits, "group_size": GROUP, "desc_act": ordered}, want


def written(package):
    """What is read of each type that is written, and the relative error that the type may have."""
    weight = torch.randn(200, 384)
    fp8 = quantize({"weight": weight}, None, "fp8")
    yield "fp8", weight, fp8["weight"].float() * fp8["weight_scale"], 0.03
    block = quantize({"weight": weight}, None, "fp8_block")
    rows = by_group(by_group(block["weight_scale_inv"], 0, 128), 1, 128)[:200]
    yield "fp8_block", weight, block["weight"].float() * rows, 0.03
    w4 = quantize({"weight": weight}, None, "w4a16")
    levels = package.unpack_from_int32(w4["weight_packed"], 4, torch.Size(w4["weight_shape"].tolist()))
    yield "w4a16", weight, levels.float() * by_group(w4["weight_scale"], 1, 128), 0.13


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=pathlib.Path)
    args = parser.parse_args()
    torch.manual_seed(1)
    conv = type("Conv1D", (), {})
    sys.modules["transformers"] = types.SimpleNamespace(pytorch_utils=types.SimpleNamespace(Conv1D=conv))
    packing = one_file(args.packages / "compressed_tensors/compressors/pack_quantized/helpers.py",
                       "from compressed_tensors")
    orders = one_file(args.packages / "awq/utils/packing_utils.py", "from awq")
    linears = one_file(args.packages / "auto_gptq/nn_modules/qlinear/qlinear_cuda.py",
                       ("from . ", "import transformers"))
    linears.__dict__["transformers"] = sys.modules["transformers"]
    good = True
    for cases in (compressed_tensors(packing), awq(orders), gptq(linears)):
        for case in cases:
            good &= same(*case)
    for what, weight, read, most in written(packing):
        error = ((read - weight).norm() / weight.norm()).item()
        print(f"{what}\t{error:.4f} of the weights lost, at most {most}")
        good &= error < most
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
