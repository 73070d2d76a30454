"""Carets in the held-out packages: where a line is to be finished, and what stood there."""
import collections
import json
import re

import numpy as np

SEED = 20261124
CLASSES = {
    "line start": re.compile(r"(?<=^)[ \t]*(?=\S)"),
    "after ( [ . , = space": re.compile(r"(?<=\S)[(\[.,= ](?=\S)"),
    "inside a word": re.compile(r"(?<=\w)\w(?=\w)"),
}
LEAST_BEFORE = 200  # characters: some text to go by


def read_heldout(work):
    """{package: [(path, text)]}"""
    by_package = collections.defaultdict(list)
    with open(work / "heldout.jsonl") as lines:
        for record in map(json.loads, lines):
            by_package[record["source"]].append((record["path"], record["text"]))
    return by_package


def draw_one(rng, files, share, pattern):
    """One caret of a class in the files of a package, all lines alike; None where the line drawn has none."""
    path, text = files[rng.choice(len(files), p=share)]
    starts = [0] + [m.end() for m in re.finditer("\n", text)]
    start = int(rng.choice(starts))
    line = text[start:].split("\n", 1)[0]
    places = [m.end() for m in pattern.finditer(line)]
    if not places or start < LEAST_BEFORE:
        return None
    at, end = start + int(rng.choice(places)), start + len(line)
    return {"file": path, "before": text[:at], "line": text[at:end], "behind": text[end:]}


def draw(work, count):
    """`count` carets {class, package, file, before, line, behind}, about as many from every package and
    class; `line` is what was there, up to the line end. In random order, so that any first part is fair."""
    rng, carets, by_package = np.random.default_rng(SEED), [], read_heldout(work)
    kinds = [(package, name) for package in sorted(by_package) for name in CLASSES]
    for package, name in kinds:
        files = by_package[package]
        share = np.array([len(text) for _, text in files], float)
        share /= share.sum()
        here = 0
        while here < count // len(kinds):
            caret = draw_one(rng, files, share, CLASSES[name])
            if caret:
                carets.append({"class": name, "package": package, **caret})
                here += 1
    return [carets[i] for i in rng.permutation(len(carets))]
