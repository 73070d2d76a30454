#!/usr/bin/env python3
"""Writes tests/fuzz/corpus/gguf/converted_types.gguf: random blocks of the types of GGUF that r1 reads and does not keep, each beside
the numbers that the gguf package makes of them.

    converted_types.py OUT.gguf     wants numpy and gguf
"""
import sys

import gguf
import numpy as np

# By type the places of f16 fields in a block: any bits will do elsewhere.
HALVES = {"Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108]}
ROWS, BLOCKS = 3, 2


def main():
    random = np.random.default_rng(1)
    out = gguf.GGUFWriter(sys.argv[1], "none")
    for name, places in HALVES.items():
        kind = getattr(gguf.GGMLQuantizationType, name)
        size = gguf.GGML_QUANT_SIZES[kind][1]
        blocks = random.integers(0, 256, (ROWS, BLOCKS, size), dtype=np.uint8)
        for place in places:
            halves = random.normal(0, 0.1, (ROWS, BLOCKS, 1)).astype(np.float16)
            blocks[:, :, place:place + 2] = halves.view(np.uint8)
        rows = blocks.reshape(ROWS, BLOCKS * size)
        out.add_tensor(name, rows, raw_dtype=kind)
        out.add_tensor(name + ".numbers", gguf.quants.dequantize(rows, kind).astype(np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    main()
