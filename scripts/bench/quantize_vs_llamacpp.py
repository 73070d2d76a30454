#!/usr/bin/env python3
"""Quality and speed of r1-quantize beside llama.cpp's quantizer: the same model, types and threads.

    quantize_vs_llamacpp.py MODEL --calibration FILE --text FILE [--types q4_0 q4_k_s] [--threads 2] [--pure]
    quantize_vs_llamacpp.py MODEL.gguf --speed [--calibration FILE] [--types …] [--threads 2]

MODEL is a Hugging Face folder or a GGUF file that llama.cpp reads. Both quantize it without calibration and with
one importance matrix, which r1-quantize collects over the calibration text; r1 also with error feedback, and then with
types of its own choice too, at llama.cpp's size (`--target-bpw`; not with --pure). The files are then held against the model by `r1-bench --quality` over the other text, and their times are medians of the
ratios of neighbouring turns (A B A B). `--speed` asks for times alone, from the file as it is; with --calibration those with an importance matrix. Needs llama-cpp-python and gguf, and a release build of r1.
"""
import argparse
import ctypes
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import gguf
import llama_cpp

BIN = pathlib.Path(__file__).resolve().parents[2] / "build/release/bin"
FILE_TYPES = {"q8_0": 7, "q6_k": 18, "q5_k_m": 17, "q5_k_s": 16, "q4_k_m": 15, "q4_k_s": 14, "q4_0": 2,
              "iq4_nl": 25, "iq4_xs": 30}


def ours(source, target, kind, args, *more):
    """Seconds that r1-quantize takes. kind: a type, or the bits a weight."""
    types = ["--target-bpw", f"{kind:.4f}"] if isinstance(kind, float) else ["--type", kind]
    command = [BIN / "r1-quantize", source, *types, "-o", target, "-f", "-qq", "-t", str(args.threads),
               *(["--pure"] if args.pure else []), *more]
    settle()
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


class Imatrix:
    """An importance matrix as llama.cpp wants it: by tensor the mean squares of its inputs."""

    def __init__(self, path):
        tensors = {t.name: t.data for t in gguf.GGUFReader(path).tensors}
        entries, self.kept = [], []
        for name, data in tensors.items():
            if not name.endswith(".in_sum2"):
                continue
            matrix = name.removesuffix(".in_sum2")
            means = (data.reshape(-1) / tensors[matrix + ".counts"].reshape(-1)[0]).astype("float32")
            self.kept.append(means)
            entries.append(llama_cpp.llama_model_imatrix_data(
                matrix.encode(), means.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), means.size))
        end = llama_cpp.llama_model_imatrix_data(None, None, 0)
        self.array = (llama_cpp.llama_model_imatrix_data * (len(entries) + 1))(*entries, end)


def settle():
    """Nothing of the run before is on its way to the disk; r1 waits for what it writes, llama.cpp does not."""
    os.sync()


def theirs(source, target, kind, args, imatrix=None):
    """Seconds that llama.cpp takes."""
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.pure = FILE_TYPES[kind], args.threads, args.pure
    if imatrix is not None:
        params.imatrix = ctypes.cast(imatrix.array, ctypes.POINTER(llama_cpp.llama_model_imatrix_data))
    settle()
    start = time.monotonic()
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)) != 0:
        sys.exit(f"llama.cpp does not make {kind} of {source}")
    return time.monotonic() - start


def bits_per_weight(path):
    return 8 * path.stat().st_size / sum(int(t.n_elements) for t in gguf.GGUFReader(path).tensors)


def quality(base, files, text):
    """By file what r1-bench says of it: KL divergence from the base, agreement, perplexity over that of the base."""
    models = [part for file in files for part in ("-m", file)]
    lines = subprocess.run([BIN / "r1-bench", "--quality", text, "--base", base, "--dtype", "f32", "--jsonl", *models],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [json.loads(line)["quality"] for line in lines[1:]]


def compare(kind, base, calibration, work, args):
    def at(name):
        return work / f"{name}-{kind}.gguf"

    imatrix = Imatrix(calibration)
    plain, weighted = [], []
    for _ in range(args.turns):
        plain.append(theirs(base, at("llama.cpp"), kind, args) / ours(base, at("r1"), kind, args))
        weighted.append(theirs(base, at("llama.cpp+imatrix"), kind, args, imatrix) /
                        ours(base, at("r1+imatrix"), kind, args, "--imatrix", calibration))
    feedback = ["--method", "gptq", "--calibration", args.calibration]
    seconds = {"r1+gptq": ours(base, at("r1+gptq"), kind, args, *feedback)}
    if not args.pure:
        bits = bits_per_weight(at("llama.cpp"))
        seconds["r1+gptq+types"] = ours(base, at("r1+gptq+types"), bits, args, *feedback)
    names = ["llama.cpp", "r1", "llama.cpp+imatrix", "r1+imatrix", *seconds]
    results = dict(zip(names, quality(base, [at(name) for name in names], args.text)))
    peer = results["llama.cpp+imatrix"]["kl"]
    speed = {"r1": statistics.median(plain), "r1+imatrix": statistics.median(weighted)}
    for name, q in results.items():
        took = f"{speed[name]:.2f}x" if name in speed else f"{seconds[name]:.1f} s" if name in seconds else ""
        print(f"| {kind} | {name} | {at(name).stat().st_size / 1e6:.2f} | {q['kl']:.5f} ± {q['kl_se']:.5f} | "
              f"{q['kl'] / peer:.2f} | {100 * q['top1']:.1f} % | {took} |", flush=True)


def race(kind, model, work, args, calibration):
    imatrix, more = (Imatrix(calibration), ["--imatrix", calibration]) if calibration else (None, [])
    turns = [(theirs(model, work / "theirs.gguf", kind, args, imatrix), ours(model, work / "ours.gguf", kind, args, *more))
             for _ in range(args.turns)]
    took = [statistics.median(t) for t in zip(*turns)]
    print(f"| {kind} | {took[0]:.2f} s | {took[1]:.2f} s | {statistics.median(a / b for a, b in turns):.2f}x |", flush=True)


def collect(model, calibration, work, args):
    """The importance matrix, by r1."""
    imatrix = work / "imatrix.gguf"
    ours(model, work / "unused.gguf", "q8_0", argparse.Namespace(threads=args.threads, pure=False),
         "--calibration", calibration, "--imatrix-out", imatrix)
    return imatrix


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--calibration")
    parser.add_argument("--text", help="not a part of the calibration text")
    parser.add_argument("--speed", action="store_true", help="measure that alone")
    parser.add_argument("--types", nargs="+", default=["q4_0", "q4_k_s"], choices=FILE_TYPES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--pure", action="store_true", help="one type for all matrices")
    args = parser.parse_args()
    if not args.speed and not (args.calibration and args.text):
        parser.error("--calibration and --text are wanted, or --speed")
    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, None)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if args.speed:
            calibration = collect(args.model, args.calibration, work, args) if args.calibration else None
            print("| type | llama.cpp | r1 | r1 is faster by |\n|---|---|---|---|")
            for kind in args.types:
                race(kind, args.model, work, args, calibration)
            return
        base = work / "base.gguf"
        ours(args.model, base, "f32", argparse.Namespace(threads=args.threads, pure=False))
        calibration = collect(base, args.calibration, work, args)
        print("| type | by | MB | KL to the model | over llama.cpp+imatrix | same first token | speed |\n"
              "|---|---|---|---|---|---|---|")
        for kind in args.types:
            compare(kind, base, calibration, work, args)


if __name__ == "__main__":
    main()
