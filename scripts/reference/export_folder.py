#!/usr/bin/env python3
"""Writes a trained model as a Hugging Face folder: config.json, model.safetensors (F32), tokenizer.model.

    export_folder.py --state RUN/state.pt --config RUN/config.json --tokenizer tokenizer.model --out DIR
"""
import argparse
import json
import pathlib
import shutil

import sentencepiece as spm
import torch
from safetensors.torch import save_file


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("state", "config", "tokenizer", "out"):
        parser.add_argument("--" + name, type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = spm.SentencePieceProcessor(model_file=str(args.tokenizer))
    config = json.loads(args.config.read_text())
    config |= {"torch_dtype": "float32", "bos_token_id": tokenizer.bos_id(), "eos_token_id": tokenizer.eos_id()}
    (args.out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    shutil.copyfile(args.tokenizer, args.out / "tokenizer.model")
    state = torch.load(args.state, map_location="cpu")["model"]
    save_file({name: t.contiguous() for name, t in state.items()}, args.out / "model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
