"""What the model has to beat: three ways to finish a line without a network. Each is a function of a caret."""
import bisect
import collections
import difflib
import json

import numpy as np

from carets import SEED
from ngram import Ngram

MOST = 48  # tokens


class Pieces:
    """Text to ids, and which ids may come next."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        size = tokenizer.get_piece_size()
        self.text = [tokenizer.id_to_piece(i).replace("\u2581", " ") for i in range(size)]
        self.newline = tokenizer.piece_to_id("<0x0A>")
        self.bytes = np.array([tokenizer.is_byte(i) for i in range(size)])
        self.stops = np.array([tokenizer.is_control(i) or tokenizer.is_unknown(i) for i in range(size)])
        self.stops[self.newline] = True

    def healed(self, ids):
        """ids without the last piece, and that piece's text, which the answer must begin with: a text cut
        inside a word, or after a space, ends in pieces that the training text never had there. Indentation
        is a piece of its own and stays."""
        if not ids or self.bytes[ids[-1]] or (self.text[ids[-1]].isspace() and ids[-2:-1] == [self.newline]):
            return ids, ""
        return ids[:-1], self.text[ids[-1]]

    def allowed(self, rest):
        """Which pieces agree with the text that has to come first."""
        return np.array([not s and not b and (t.startswith(rest) or rest.startswith(t))
                         for t, s, b in zip(self.text, self.stops, self.bytes)])


class FiveGram:
    """The interpolated 5-gram model of all training tokens, greedy to the line end."""

    def __init__(self, work, tokenizer):
        self.pieces, self.ngram = Pieces(tokenizer), Ngram(np.load(work / "train.tokens.npy"))

    def __call__(self, caret):
        p = self.pieces
        ids, owed = p.healed(p.tokenizer.encode(caret["before"][-64 * 12:])[-64:])
        rest, more = owed, []
        while len(more) < MOST:
            score = self.ngram.distribution(ids + more)
            if rest:
                score = np.where(p.allowed(rest), score, -np.inf)
            best = int(np.argmax(score))
            if p.stops[best]:
                break
            more.append(best)
            rest = rest[len(p.text[best]):]
        return p.tokenizer.decode(more)[len(owed):]

    def loss(self, work, count=4000):
        """Nats a token on the held-out stream, at places drawn with the seed."""
        tokens = np.load(work / "heldout.tokens.npy")
        places = np.random.default_rng(SEED).integers(16, len(tokens), count)
        return float(np.mean([-np.log(self.ngram.distribution(tokens[i - 8:i].tolist())[tokens[i]]) for i in places]))


def similar_line(caret):
    """What followed, earlier in the file, the place most like this one (line above and line so far)."""
    *lines, typed = caret["before"].split("\n")
    above = lines[-1].strip() if lines else ""
    best, answer, start = -1.0, "", typed.strip()
    for i, line in enumerate(lines):
        text = line.strip()
        if not text.startswith(start) or text == start:
            continue
        over = difflib.SequenceMatcher(None, above, lines[i - 1].strip() if i else "", autojunk=False)
        likeness = over.quick_ratio()
        if likeness > best:
            best, answer = likeness, text[len(start):] if typed[-1:] != " " else text[len(start):].lstrip()
    return answer


class FrequentLine:
    """The most frequent training line that begins as this one."""

    def __init__(self, work):
        self.counts = collections.Counter()
        with open(work / "train.jsonl") as records:
            for record in records:
                self.counts.update(line.strip() for line in json.loads(record)["text"].split("\n"))
        self.counts.pop("", None)
        self.lines = sorted(line for line, n in self.counts.items() if n > 2)

    def __call__(self, caret):
        start = caret["before"].rsplit("\n", 1)[-1].lstrip()
        low = bisect.bisect_left(self.lines, start)
        high = bisect.bisect_left(self.lines, start + "\U0010ffff")
        return max(self.lines[low:high], key=self.counts.__getitem__, default=start)[len(start):]
