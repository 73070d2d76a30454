#!/usr/bin/env python3
"""Fails when a decode kernel keeps in memory what does not fit into registers.

Usage: spills_test.py FOLDER    Reads FOLDER/*.ptxas, what ptxas reported while kernels/cuda was
compiled (cmake/nvcc_report), for every card it was compiled for.
"""
import pathlib
import re
import sys

# Bound by memory at one row: a spill costs what they live from.
DECODE = ("half_product_kernel", "quant_product_kernel", "quant_rows_kernel", "rows_kernel", "paged_kernel", "tile_kernel", "merge_kernel",
          "round_kernel")


def kernels(report):
    """(name, card, bytes spilled) of each kernel in a report."""
    name = card = None
    for line in report.splitlines():
        if entry := re.search(r"Compiling entry function '(\w+)' for '(\w+)'", line):
            name, card = entry.groups()
        elif spill := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            yield name, card, int(spill[1]) + int(spill[2])


def main():
    reports = sorted(pathlib.Path(sys.argv[1]).glob("*.ptxas"))
    found = [k for path in reports for k in kernels(path.read_text())]
    decode = [k for k in found if any(d in k[0] for d in DECODE)]
    missing = [d for d in DECODE if not any(d in k[0] for k in decode)]
    spilled = [k for k in decode if k[2] > 0]
    for name, card, size in spilled:
        print(f"{name} for {card}: {size} bytes of spills")
    if missing:
        print("no report of", *missing)
    print(f"{len(found)} kernels, {len(decode)} of them for decoding, {len(spilled)} spill")
    return bool(spilled or missing)


sys.exit(main())
