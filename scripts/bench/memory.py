#!/usr/bin/env python3
"""The most memory that r1-complete takes for a model, beside the size of its file.

    memory.py R1-COMPLETE MODEL…

Each model writes 16 tokens once. Prints a line a model and ends with status 1 when one takes more than
1.1 times its file (and 64 MiB, which a small file needs too).
"""
import argparse
import pathlib
import resource
import subprocess
import sys
import time

MOST, BASE = 1.1, 64 << 20


def weight_bytes(model):
    files = [model] if model.is_file() else model.glob("*.safetensors")
    return sum(f.stat().st_size for f in files)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--arguments", default="", help="more for the tool, such as '--dtype f32'")
    args = parser.parse_args()
    models = sorted(args.models, key=weight_bytes)  # the kernel counts the largest child so far
    bad = False
    print("model file_MB peak_MB ratio seconds")
    for model in models:
        began = time.monotonic()
        subprocess.run([args.tool, "-m", model, "-n", "16", "-p", "def quick", *args.arguments.split()],
                       check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        size = weight_bytes(model)
        bad |= peak > MOST * size + BASE
        print(f"{model.name} {size / 1e6:.0f} {peak / 1e6:.0f} {peak / size:.3f} {seconds:.1f}", flush=True)
    sys.exit(bad)


if __name__ == "__main__":
    main()
