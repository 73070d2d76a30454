#!/usr/bin/env python3
"""Prints the entry of share/pretokenizers.json for the pre-tokeniser of a tokenizer.json.

    pretokenizer_entry.py NAME tokenizer.json

NAME is what GGUF files of this model say in tokenizer.ggml.pre. Characters outside ASCII are written
as \\x{…}: a pattern that passes through an editor may come out normalised, and cut otherwise.
"""
import json
import re
import sys

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def plain(pattern):
    return "".join(c if ord(c) < 0x80 else f"\\x{{{ord(c):X}}}" for c in pattern)


def steps_of(step):
    if step is None:
        return []
    kind = step["type"]
    if kind == "Sequence":
        return [s for inner in step["pretokenizers"] for s in steps_of(inner)]
    if kind == "Digits":
        return [r"\p{N}" if step["individual_digits"] else r"\p{N}+"]
    if kind == "ByteLevel":
        if step.get("add_prefix_space"):
            sys.exit("a prefix space has no place in an entry")
        return [GPT2] if step.get("use_regex", True) else []
    if kind == "Split" and step["behavior"] == "Isolated":
        pattern = step["pattern"]
        return [plain(pattern["Regex"] if "Regex" in pattern else re.escape(pattern["String"]))]
    sys.exit(f"{kind} has no place in an entry")


def main():
    name, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        tokenizer = json.load(file)
    entry = {"steps": steps_of(tokenizer["pre_tokenizer"])}
    if "NFC" in json.dumps(tokenizer.get("normalizer")):
        entry["nfc"] = True
    if tokenizer["model"].get("ignore_merges"):
        entry["ignore_merges"] = True
    print(f"{json.dumps(name)}: {json.dumps(entry)}")


if __name__ == "__main__":
    main()
