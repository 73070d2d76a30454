#!/usr/bin/env python3
"""Cuts a model file while r1-complete has it mapped.

  cuts.py R1-COMPLETE MODEL.gguf [--cuts 30] [--seed 1]

The run ends with the answer of the whole file, or with status 3 and one line; never by a signal.
"""
import argparse
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "model.gguf"
        command = [options.tool.resolve(), "--config", "none", "-t", "1", "-n", "4", "-m", copy, "-p", "import "]
        shutil.copy(options.model, copy)
        start = time.monotonic()
        whole = subprocess.run(command, capture_output=True, check=True).stdout
        seconds = time.monotonic() - start
        refused = 0
        for cut in range(options.cuts):
            shutil.copy(options.model, copy)
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(moments.uniform(0, seconds))
            os.truncate(copy, moments.randrange(copy.stat().st_size))
            out, err = process.communicate(timeout=60)
            if process.returncode == 0:
                assert out == whole, f"cut {cut}: another answer: {out!r}"
                continue
            refused += 1
            assert process.returncode == 3, f"cut {cut}: status {process.returncode}: {err!r}"
            assert err.count(b"\n") == 1 and b"model.gguf" in err, f"cut {cut}: {err!r}"
    assert refused > 0, "no cut came before the end"
    print(f"{options.cuts} cuts, {refused} refused in one line, the others answered as ever")


if __name__ == "__main__":
    main()
