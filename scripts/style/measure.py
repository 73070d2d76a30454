#!/usr/bin/env python3
"""Lines finished in a house style, by the model as it is and with what it learnt.

    measure.py --data DIR --adapter DIR [--tool build/release/bin/r1-complete] [--model NAME] [--carets 300]

DIR/heldout.jsonl of make.py. Greedy, left to right from 1,500 characters; intervals are 95 %, over files.
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/reference"))
import numpy as np

import carets
import evaluate


def draw(data, count):
    """Carets in the held-out files, all kinds alike."""
    rng, by_package = np.random.default_rng(carets.SEED), carets.read_heldout(data)
    files, drawn, kinds = by_package["house"], [], list(carets.CLASSES)
    share = np.full(len(files), 1 / len(files))
    while len(drawn) < count:
        caret = carets.draw_one(rng, files, share, carets.CLASSES[kinds[len(drawn) % len(kinds)]])
        if caret:
            drawn.append({"package": "house", **caret})
    return drawn


def finished(tool, chosen, *options):
    lines = "".join(json.dumps({"id": str(i), **evaluate.left_to_right(c)}) + "\n" for i, c in enumerate(chosen))
    done = subprocess.run([tool, "--jsonl", "--stop-at", "line", "-n", "48", *map(str, options)], input=lines,
                          stdout=subprocess.PIPE, text=True, check=True)
    return evaluate.score(chosen, [json.loads(line)["output"]["text"] for line in done.stdout.splitlines()])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--adapter", type=pathlib.Path, required=True)
    parser.add_argument("--tool", type=pathlib.Path, default=ROOT / "build/release/bin/r1-complete")
    parser.add_argument("--model", default="r1-plus-mini")
    parser.add_argument("--carets", type=int, default=300)
    a = parser.parse_args()
    chosen = draw(a.data, a.carets)
    files = [c["file"] for c in chosen]
    before = finished(a.tool, chosen, "-m", a.model)
    after = finished(a.tool, chosen, "-m", a.model, "--adapter", a.adapter.resolve())
    numbers = range(len(chosen))
    for name, what in (("exact", 0), ("similarity", 1)):
        old, new = ([float(s[i][what]) for i in numbers] for s in (before, after))
        gain = [b - a for a, b in zip(old, new)]
        print(name, "before", evaluate.interval(old, files), "after", evaluate.interval(new, files), "gain",
              evaluate.interval(gain, files))


if __name__ == "__main__":
    main()
