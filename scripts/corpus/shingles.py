"""Runs of tokens as numbers: how alike two texts are, and whether one holds a run of another."""
import re
import zlib

import numpy as np

SKETCH = 64
WORD = re.compile(r"\w+|[^\w\s]")
known = {}


def number(word):
    n = known.get(word)
    if n is None:
        n = known[word] = zlib.crc32(word.encode())
    return n


def runs(text, length):
    """A 64-bit number for every run of `length` tokens, in order; a shorter text is one run."""
    words = np.array([number(w) for w in WORD.findall(text)] or [0], np.uint64)
    count = max(1, len(words) - length + 1)
    total = np.zeros(count, np.uint64)
    for k in range(min(length, len(words))):  # a polynomial in an odd number, in 64 bits
        total = total * np.uint64(0x9E3779B97F4A7C15) + words[k:k + count]
    total ^= total >> np.uint64(31)  # the low bits reach the high ones, which order the sketch
    total *= np.uint64(0xBF58476D1CE4E5B9)
    return total ^ (total >> np.uint64(29))


def sketch(text):
    """The smallest numbers of the text's runs of 7 tokens: two texts share about the share of them that they
    share of all runs (bottom-k MinHash)."""
    return np.unique(runs(text, 7))[:SKETCH].tolist()


def likeness(a, b):
    """Estimated Jaccard likeness of two sketches."""
    union, both = sorted(set(a) | set(b))[:SKETCH], set(a) & set(b)
    return sum(h in both for h in union) / len(union)


class Near:
    """Finds texts that are like one seen before."""

    def __init__(self, least):
        self.least, self.by_hash = least, {}

    def add(self, a):
        for h in a[:8]:
            self.by_hash.setdefault(h, []).append(a)

    def has(self, a):
        others = {id(b): b for h in a[:8] for b in self.by_hash.get(h, [])[:20]}
        return any(likeness(a, b) >= self.least for b in others.values())
