#!/usr/bin/env python3
"""The most memory that r1-quantize takes for a model, whatever its size: 2 GiB is the limit.

    quantize_memory.py R1-QUANTIZE FOLDER [--type q4_k_m --method search …]

FOLDER is a checkpoint, such as `random_checkpoint.py 70B FOLDER --shards 30 --holes` writes. Prints bytes read and
written, the most memory (with pages of files that were mapped) and seconds, and ends with status 1 over the limit.
"""
import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

LIMIT = 2 << 30


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--work", help="a folder with room for the result")
    args, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        out = pathlib.Path(work) / "out.gguf"
        began = time.monotonic()
        subprocess.run([args.tool, args.folder, "-o", out, *(options or ["--type", "q4_k_m"])], check=True)
        seconds = time.monotonic() - began
        read = sum(f.stat().st_size for f in args.folder.glob("*.safetensors"))
        written = out.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"read_GB {read / 1e9:.1f} written_GB {written / 1e9:.1f} peak_MB {peak / 1e6:.0f} seconds {seconds:.0f}")
    sys.exit(peak > LIMIT)


if __name__ == "__main__":
    main()
