#!/usr/bin/env python3
"""Digests of the ids that Hugging Face's tokenizers gives for 10,000 random strings and for
76,000 code points one by one: tests/lib/text/exact_test.cpp holds them.

    tokenizer_digests.py SHARED_DATA/text share/pretokenizers.json

Each vocabulary is built from its published files and cut by the patterns of pretokenizers.json, so
the digests show that PCRE2, the rewriting of patterns, the normaliser and the merging agree with
Oniguruma and the original. Written with tokenizers 0.23.3.
"""
import base64
import hashlib
import json
import pathlib
import struct
import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

MASK = (1 << 64) - 1
# Where no character was added between Unicode 14 and 17, nor a combining mark since 9: the versions
# of PCRE2, Oniguruma and the normalisers agree there.
STABLE = [(0x0, 0x558), (0x5CA, 0x88F), (0x900, 0xB53), (0xECF, 0x1AB0), (0x1C8B, 0x208F), (0x242A, 0x2B96),
          (0x31F0, 0xA7CB), (0xA7F2, 0xAB6C), (0xAB6E, 0xFBC3), (0xFDCF, 0x105C0), (0x10F00, 0x1123F),
          (0x113E3, 0x116D0), (0x12687, 0x1342F), (0x1D2D4, 0x1D6A6), (0x1E700, 0x1F1AE), (0x1F1AF, 0x1F6D8),
          (0x2B81F, 0x2CEA2)]
FRAGMENTS = ["'s", "'LL", "'ve", "    ", "\r\n", "\n\n", "\t", "return x", "::", "0123", " == ", "\u00fc", "e\u0301"]


class Random:
    """splitmix64; tests/lib/text/exact_test.cpp draws the same numbers."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % n


def part(random):
    kind = random.below(10)
    if kind < 4:
        return chr(32 + random.below(95))
    if kind == 4:
        return " " * (1 + random.below(4))
    if kind == 5:
        return FRAGMENTS[random.below(len(FRAGMENTS))]
    begin, end = STABLE[random.below(6 if kind < 9 else len(STABLE))]
    c = begin + random.below(end - begin)
    return chr(0xFFFD if 0xD800 <= c < 0xE000 else c)


def random_texts():
    random = Random(1)
    for _ in range(10_000):
        yield "".join(part(random) for _ in range(1 + random.below(30)))


def single_texts():
    points = [c for begin, end in STABLE for c in range(begin, end) if not 0xD800 <= c < 0xE000]
    for i in range(0, len(points), 32):
        yield "".join(f"a{chr(c)} {chr(c)}{chr(c)}1" for c in points[i:i + 32])


def digest(tokenizer, texts):
    sha = hashlib.sha256()
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids + [-1]
        sha.update(struct.pack(f"<{len(ids)}i", *ids))
    return sha.hexdigest()


class Gguf:
    """The metadata of a GGUF file."""

    SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, path):
        self.data, self.at = path.read_bytes(), 8
        _, pairs = self.scalar("Q"), self.scalar("Q")
        self.values = {}
        for _ in range(pairs):
            key = self.string()
            self.values[key] = self.value(self.scalar("I"))

    def scalar(self, code):
        value, = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def string(self):
        size = self.scalar("Q")
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            kind, count = self.scalar("I"), self.scalar("Q")
            return [self.value(kind) for _ in range(count)]
        return self.scalar(self.SCALARS[kind])


def letters():
    """GPT-2's letter of each byte."""
    itself = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = iter(range(0x100, 0x200))
    return [chr(b if b in itself else next(other)) for b in range(256)]


def from_ranks(path):
    tokens = [base64.b64decode(line.split()[0]) for line in path.read_text().splitlines()]
    rank = {token: i for i, token in enumerate(tokens)}
    of = letters()
    spell = lambda b: "".join(of[x] for x in b)
    merges = []
    for i, token in enumerate(tokens):
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            best, at = min((rank.get(parts[p] + parts[p + 1], i), p) for p in range(len(parts) - 1))
            if best == i:
                break
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            merges.append((spell(parts[0]), spell(parts[1])))
    return {spell(t): i for i, t in enumerate(tokens)}, merges


def from_gpt2_form(folder):
    lines = (folder / "vocab.bpe").read_text().splitlines()
    merges = [tuple(line.split(" ")) for line in lines if " " in line and not line.startswith("#version")]
    return json.loads((folder / "encoder.json").read_text()), merges


def is_marker(text):
    return text.startswith(("<", "[PAD")) and text.endswith((">", "]"))


def from_gguf(path):
    """Vocabulary, merges, and the added tokens that match in any text."""
    values = Gguf(path).values
    tokens, types = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.token_type"]
    vocabulary = {t: i for i, (t, kind) in enumerate(zip(tokens, types)) if kind == 1}
    added = {t: i for i, (t, kind) in enumerate(zip(tokens, types)) if kind == 4 and not is_marker(t)}
    merges = [tuple(m.split(" ", 1)) if m[0] != " " else (" " + m[1:].split(" ", 1)[0], m[1:].split(" ", 1)[1])
              for m in values["tokenizer.ggml.merges"]]
    return vocabulary, merges, added


def build(vocabulary, merges, added, entry):
    names = {i: t for t, i in {**vocabulary, **added}.items()}
    whole = {**vocabulary, **added}  # an added token keeps its id when the model knows it
    tokenizer = Tokenizer(models.BPE(whole, merges, ignore_merges=entry.get("ignore_merges", False)))
    if entry.get("nfc"):
        tokenizer.normalizer = normalizers.NFC()
    steps = [pre_tokenizers.Split(Regex(p), "isolated") for p in entry["steps"]]
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in added])
    assert all(tokenizer.token_to_id(t) == i for i, t in names.items())
    return tokenizer


def main():
    data, patterns = pathlib.Path(sys.argv[1]), json.loads(pathlib.Path(sys.argv[2]).read_text())
    for name in ["gpt-2", "mpt", "starcoder", "refact", "deepseek-coder", "deepseek-llm", "llama-bpe", "qwen2"]:
        entry = patterns[name]
        entry = patterns[entry["like"]] if "like" in entry else entry
        added = {}
        if name == "llama-bpe":
            vocabulary, merges = from_gpt2_form(data / "llama3")
        elif name == "qwen2":
            vocabulary, merges = from_ranks(data / "qwen2/qwen.tiktoken")
        else:
            vocabulary, merges, added = from_gguf(data / f"vocab/ggml-vocab-{name}.gguf")
        tokenizer = build(vocabulary, merges, added, entry)
        print(f'{{"{name}",\n "{digest(tokenizer, random_texts())}",\n "{digest(tokenizer, single_texts())}"}},', flush=True)


if __name__ == "__main__":
    main()
