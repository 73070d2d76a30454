#!/usr/bin/env python3
"""Whether r1 and llama.cpp read a GGUF file alike: the greedy text of both from each prompt.

    interchange.py FILE.gguf [--adapter ADAPTER.gguf] [-n 64] [--prompt TEXT]…

Prints both texts, and exits with 1 where they differ. In f32 the two are as near as sums of another
order; of smaller types llama.cpp rounds what is multiplied, and a text may part where two tokens are
nearly as likely. Needs llama-cpp-python, and a release build of r1.
"""
import argparse
import pathlib
import subprocess
import sys

import llama_cpp

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "build/release/bin/r1-complete"
PROMPTS = ["Once upon a time", "def add(a, b):\n    return", "The capital of France is"]


def whole_characters(raw):
    """Tokens can end inside a character, which r1 writes as U+FFFD."""
    return raw.decode(errors="ignore").replace("\ufffd", "")


def ours(path, prompt, count, adapter):
    """What r1-complete writes; without --no-heal it would go back to the beginning of a word."""
    command = [PROGRAM, "--model", path, "-n", str(count), "--no-heal", "--dtype", "f32", "--quiet",
               "--prompt", prompt, *(["--adapter", adapter] if adapter else [])]
    return whole_characters(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def peer(model, prompt, count):
    """What llama.cpp writes: BOS as the file says, no marker read out of the text, the most likely token."""
    vocabulary = llama_cpp.llama_model_get_vocab(model.model)
    bos = llama_cpp.llama_vocab_get_add_bos(vocabulary)
    ids = model.tokenize(prompt.encode(), add_bos=bos, special=False)
    out = []
    model.reset()
    for token in model.generate(ids, temp=0.0, top_k=1, repeat_penalty=1.0):
        if llama_cpp.llama_vocab_is_eog(vocabulary, token) or len(out) == count:
            break
        out.append(token)
    return whole_characters(model.detokenize(out, prev_tokens=ids))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--adapter", type=pathlib.Path, help="of --export gguf-adapter; both read it")
    parser.add_argument("-n", "--max-tokens", type=int, default=64)
    parser.add_argument("--prompt", action="append", help="may be given again")
    args = parser.parse_args()
    path = args.model.resolve()
    model = llama_cpp.Llama(str(path), n_ctx=512, n_gpu_layers=0, verbose=False,
                            type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32,
                            lora_path=str(args.adapter) if args.adapter else None)
    alike = True
    for prompt in args.prompt or PROMPTS:
        a = ours(path, prompt, args.max_tokens, args.adapter)
        b = peer(model, prompt, args.max_tokens)
        alike = alike and a == b
        print(f"{prompt!r}: {'the same' if a == b else 'not the same'}\n  r1:        {a!r}\n  llama.cpp: {b!r}")
    sys.exit(0 if alike else 1)


if __name__ == "__main__":
    main()
