#!/usr/bin/env python3
"""Damaged models through the real tool: no death by signal, status 0 or 3, one line on stderr when it is 3.
Status 1, with one line, is for a model that is read and fails at the text: logits that are no numbers, a vocabulary
that sentencepiece cannot apply to it.

    mutants.py R1-COMPLETE TINY.gguf [--runs N] [--seed N] [--format NAME]… [--keep FOLDER]

For each format N mutants of a tiny model: flipped bits, other bytes, splices, cut ends, ranges twice or gone,
lengths and numbers at their extremes. The same seed makes the same mutants. Prints a line a format; ends with
status 1 when a promise is broken, or when 1 in 100 runs takes more than 100 ms of processor time (--slow: 2 s,
for a build with sanitizers).
"""
import argparse
import json
import os
import pathlib
import random
import re
import struct
import sys
import tempfile
import time

TINY = pathlib.Path(__file__).resolve().parent.parent / "models" / "tiny"
EXTREMES = [0, 1, 2, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
NUMBERS = ["0", "-1", "513", "1e300", "-1e-5", "1e-320", "2147483648", "18446744073709551615", "null", '"x"', "[]", "{}",
           "true", "1.5"]


def tokenizer_json():
    """32 tokens: some letters, a merge, and a marker."""
    letters = "abcdefghijklmnopqrstuvwxyz ".replace(" ", "\u0120")
    vocab = {c: i for i, c in enumerate(letters)}
    vocab |= {"ab": 27, "abc": 28, "in": 29}
    return json.dumps({"version": "1.0", "added_tokens": [{"id": 31, "content": "</s>", "special": True}],
                       "normalizer": {"type": "NFC"},
                       "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                           {"type": "Split", "pattern": {"Regex": "\\p{L}+|\\s+(?!\\S)"}, "behavior": "Isolated"},
                           {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]},
                       "post_processor": None, "decoder": {"type": "ByteLevel"},
                       "model": {"type": "BPE", "vocab": vocab, "merges": ["a b", ["ab", "c"], "i n"]}}).encode()


def tokenizer_model():
    """A sentencepiece ModelProto: <unk>, <s>, </s> and a few letters."""
    def varint(n):
        out = b""
        while n >= 0x80:
            out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
        return out + bytes([n])

    def text(field, content):
        return varint(field << 3 | 2) + varint(len(content)) + content

    def number(field, value):
        return varint(field << 3) + varint(value)

    pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3)] + [(p, 1) for p in ["\u2581", "a", "b", "c", "ab", "\u2581a", "abc"]]
    out = b""
    for i, (piece, kind) in enumerate(pieces):
        out += text(1, text(1, piece.encode()) + varint(2 << 3 | 5) + struct.pack("<f", -i) + number(3, kind))
    out += text(2, number(3, 2) + number(4, len(pieces)))
    return out + text(3, text(1, b"identity") + number(3, 1) + number(4, 0) + number(5, 1))


def formats(tiny_gguf):
    """name -> (files of the model, the file that is damaged, what -m gets)"""
    def folder(name):
        return {p.name: p.read_bytes() for p in (TINY / name).iterdir() if p.name != "golden.json"}

    json_side = {"tokenizer.json": tokenizer_json()}
    generation = json.dumps({"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "eos_token_id": [31, 2]})
    special = json.dumps({"add_bos_token": True, "bos_token": {"content": "a"}, "eos_token": "</s>",
                          "chat_template": "<|im_start|>system\\nx<|im_end|>"})
    llama = folder("llama") | json_side
    return {"gguf": ({"m.gguf": tiny_gguf}, "m.gguf", "m.gguf"),
            "safetensors": (llama, "model.safetensors", "."),
            "index": (folder("llama_sharded") | json_side, "model.safetensors.index.json", "."),
            "config": (folder("qwen3_yarn") | json_side, "config.json", "."),
            "tokenizer_json": (llama, "tokenizer.json", "."),
            "tokenizer_model": (folder("llama") | {"tokenizer.model": tokenizer_model()}, "tokenizer.model", "."),
            "generation_config": (llama | {"generation_config.json": generation.encode()}, "generation_config.json", "."),
            "tokenizer_config": (llama | {"tokenizer_config.json": special.encode()}, "tokenizer_config.json", ".")}


def place(rng, data):
    """Mostly where the header is: a wrong weight is only a wrong weight."""
    end = len(data) if rng.random() < 0.2 else min(len(data), 4096)
    return rng.randrange(end) if end else 0


def set_length(rng, data):
    size = rng.choice([4, 8])
    at = place(rng, data)
    value = rng.choice(EXTREMES + [len(data), len(data) + 1]) & (256**size - 1)
    data[at:at + size] = value.to_bytes(size, "little")


def set_number(rng, data):
    found = list(re.finditer(rb"-?\d+(\.\d+)?|true|false|null", bytes(data[:65536])))
    if found:
        at = rng.choice(found)
        data[at.start():at.end()] = rng.choice(NUMBERS).encode()


def splice(rng, data):
    a, b, n = place(rng, data), place(rng, data), rng.choice([1, 4, 16, 64, 300])
    data[a:a + rng.choice([0, n])] = data[b:b + n]


def change(rng, data):
    kind = rng.randrange(7)
    at = place(rng, data)
    if kind == 0 and data:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1 and data:
        data[at] = rng.randrange(256)
    elif kind == 2:
        splice(rng, data)
    elif kind == 3:
        del data[at:at + rng.choice([1, 2, 8, 100])]
    elif kind == 4:
        set_length(rng, data)
    elif kind == 5:
        set_number(rng, data)
    elif rng.random() < 0.3:
        del data[rng.randrange(len(data) + 1):]


def mutant(data, seed):
    rng = random.Random(seed)
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        change(rng, out)
    return bytes(out)


def run(tool, model, work):
    """(status or -signal, lines of stderr, processor ms, wall ms)"""
    quiet = os.open(os.devnull, os.O_RDWR)
    errors = os.open(work / "stderr", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    began = time.monotonic()
    child = os.posix_spawn(tool, [tool, "-m", "./" + model if model != "." else str(work), "-n", "2", "-p", "abc", "--threads", "1"],
                           {"HOME": str(work), "PATH": "/usr/bin:/bin", "ASAN_OPTIONS": "detect_leaks=0"},
                           file_actions=[(os.POSIX_SPAWN_DUP2, quiet, 0), (os.POSIX_SPAWN_DUP2, quiet, 1),
                                         (os.POSIX_SPAWN_DUP2, errors, 2)])
    _, status, usage = os.wait4(child, 0)
    wall = (time.monotonic() - began) * 1000
    lines = (work / "stderr").read_bytes()
    os.close(quiet)
    os.close(errors)
    return os.waitstatus_to_exitcode(status), lines, (usage.ru_utime + usage.ru_stime) * 1000, wall


def complaint(status, lines):
    fails_at_text = lines.endswith(b" a logit that is not a number\n") or lines.startswith(b"r1-complete: sentencepiece: ")
    if status not in (0, 3) and not (status == 1 and fails_at_text):
        return f"status {status}"
    if status != 0 and (lines.count(b"\n") != 1 or not lines.startswith(b"r1-complete: ")):
        return f"{lines.count(10)} lines on stderr"
    if any(c < 32 and c != 10 or c == 127 for c in lines):
        return "control bytes on stderr"
    return None


def run_format(args, name, model, work):
    files, damaged, operand = model
    for file, data in files.items():
        (work / file).write_bytes(data)
    os.chdir(work)
    refused, bad, cpu, wall = 0, 0, [], []
    for i in range(args.runs):
        data = mutant(files[damaged], f"{args.seed}/{name}/{i}") if i > 0 else files[damaged]
        (work / damaged).write_bytes(data)
        status, lines, cpu_ms, wall_ms = run(args.tool, operand, work)
        refused += status == 3
        cpu.append(cpu_ms)
        wall.append(wall_ms)
        why = complaint(status, lines)
        if i == 0 and status != 0:
            why = f"status {status} of the model as it is"
        if why:
            bad += 1
            print(f"{name} {i}: {why}: {lines[:300]!r}", file=sys.stderr)
            if args.keep:
                (args.keep / f"{name}.{i}").write_bytes(data)
    cpu.sort()
    wall.sort()
    at = min(len(cpu) - 1, len(cpu) * 99 // 100)
    print(f"{name}: {args.runs} runs, {refused} refused, {args.runs - refused - bad} loaded, {bad} broken promises; "
          f"p99 {cpu[at]:.0f} ms of processor, {wall[at]:.0f} ms of wall time", flush=True)
    return bad == 0 and cpu[at] <= args.slow


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool", type=lambda p: str(pathlib.Path(p).resolve()))
    parser.add_argument("tiny", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", action="append")
    parser.add_argument("--keep", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--slow", type=float, default=100, help="ms of processor time that 99 of 100 runs may take")
    args = parser.parse_args()
    good = True
    for name, model in formats(args.tiny.read_bytes()).items():
        if args.format and name not in args.format:
            continue
        with tempfile.TemporaryDirectory() as work:
            good &= run_format(args, name, model, pathlib.Path(work))
            os.chdir("/")
    sys.exit(not good)


if __name__ == "__main__":
    main()
