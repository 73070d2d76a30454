#!/usr/bin/env python3
"""Writes what the PyTorch definition makes of a shipped GGUF file: greedy ids after prompts of 32 tokens.

    model_golden.py --config RUN/config.json --weights MODEL.gguf --out OUT.json

The weights are those of the file, 8-bit blocks widened to f32; everything is computed in f32. A case ends after 32
ids, or before the first step whose best logit is less than 0.1 ahead of the second: backends that
make 8-bit activations too may differ there. The prompts were written for this file.
"""
import argparse
import hashlib
import json
import pathlib

import torch

import generate
from gguf_weights import read_tokenizer, read_weights
from train import newline_table

LENGTH, MORE, CLEAR = 32, 32, 0.1
PROMPTS = [
    "import json\nimport pathlib\n\n\ndef read_settings(path):\n    \"\"\"Return the settings in a file.\"\"\"\n"
    "    text = pathlib.Path(path).read_text()\n    settings = json.loads(text)\n    if not",
    "class Counter:\n    def __init__(self, start=0):\n        self.value = start\n\n    def increment(self):\n"
    "        self.value += 1\n\n    def reset(self):\n        self.",
    "def total_price(items, rate):\n    total = 0\n    for item in items:\n        total += item.price\n"
    "    return total\n\n\ndef mean_price(items):\n    total = 0\n    for item in",
    "import os\nimport sys\n\n\ndef main():\n    if len(sys.argv) != 2:\n        sys.exit(1)\n    for name in os.listdir(sys.argv[1]):\n",
    "def factorial(n):\n    \"\"\"Return the factorial of n.\"\"\"\n    if n <= 1:\n        return 1\n    return n *",
]
FILL_IN = "def add(a, b):\n    result = ", "\n    return result\n\n\ndef subtract(a, b):\n    result = a - b\n"


def prompts(tokenizer):
    """Lists of 32 ids; the last is a fill-in-the-middle prompt."""
    bos, piece = tokenizer.bos_id(), tokenizer.piece_to_id
    for text in PROMPTS:
        ids = [bos, *tokenizer.encode(text)]
        assert len(ids) >= LENGTH, len(ids)
        yield ids[:LENGTH]
    before, behind = (tokenizer.encode(text) for text in FILL_IN)
    ids = [bos, piece("<|fim_prefix|>"), *before, piece("<|fim_suffix|>"), *behind]
    assert len(ids) >= LENGTH - 1, len(ids)
    yield [*ids[:LENGTH - 1], piece("<|fim_middle|>")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("config", "weights", "out"):
        parser.add_argument("--" + name, type=pathlib.Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = read_tokenizer(args.weights)
    model, newline = generate.load(args.config, read_weights(args.weights)), newline_table(tokenizer)
    cases = []
    for ids in prompts(tokenizer):
        greedy = generate.greedy(model, newline, ids, MORE, CLEAR)
        cases.append({"prompt": ids, "prompt_text": tokenizer.decode(ids), "greedy": greedy,
                      "text": tokenizer.decode(greedy)})
    rows = ",\n ".join(json.dumps(case) for case in cases)
    lines = newline.nonzero()[:, 0].tolist()
    digest = hashlib.sha256(args.weights.read_bytes()).hexdigest()
    args.out.write_text(f'{{"model": "{args.weights.name}", "sha256": "{digest}", "newline": {lines}, "cases": [\n {rows}\n]}}\n')


if __name__ == "__main__":
    main()
