#!/usr/bin/env python3
"""Fails when a file includes something above its own layer. Run from the repository root."""
import pathlib
import re
import sys

# Bottom first. A file may include its own room and those above it in this list, never those below.
# Rooms on one line do not see each other. lib/README.md says what each room holds.
LAYERS = [
    ["lib/base"],
    ["lib/tensor"],
    ["lib/backend"],
    ["kernels/ref", "kernels/cpu", "kernels/cuda", "lib/io"],
    ["kernels", "lib/text"],
    ["lib/nn"],
    ["lib/models"],
    ["lib/decode", "lib/quant", "lib/train"],
    ["lib/tasks"],
    ["lib"],  # r1.h, the public face
    ["tools"],
    ["tests"],
]
INCLUDE = re.compile(r'#include "((?:lib|kernels|tools|tests)/[^"]+)"')


def room(path):
    """(layer, room) of a file: the longest room that is a parent folder of it."""
    folders = [(len(name), layer, name) for layer, names in enumerate(LAYERS) for name in names
               if path.startswith(name + "/")]
    _, layer, name = max(folders)
    return layer, name


def complaint(here, there):
    if there[1].startswith("kernels") and not here[1].startswith(("kernels", "tests")):
        return "only kernels and tests see kernels"
    if there[0] > here[0]:
        return "above its own layer"
    if there[0] == here[0] and there[1] != here[1]:
        return "beside its own room"
    return None


def main():
    bad = 0
    for top in ("lib", "kernels", "tools", "tests"):
        for path in sorted(pathlib.Path(top).rglob("*")):
            if path.suffix not in (".h", ".cuh", ".cpp", ".cu"):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                why = match and complaint(room(path.as_posix()), room(match[1]))
                if why:
                    print(f"{path}:{number}: {match[1]} is {why}")
                    bad += 1
    return bad != 0


sys.exit(main())
