#!/usr/bin/env python3
"""Line completion on packages that were not trained on: exact match and edit similarity.

    evaluate.py --work DIR --config RUN/config.json --weights MODEL.gguf --out OUT.json [--carets 900]

Carets are drawn with a seed, equally from every held-out package and in equal parts after the indentation of a
line, after one of ( [ . , = or a space, and inside a word. Each method writes greedily up to the end of the line.
Methods: the model left to right, the model with the text behind the line too (fill in the middle), an
interpolated 5-gram model of the same training tokens, the line that followed the most similar place earlier in the
file, and the most frequent training line that begins as this one. Intervals are 95 %.
"""
import argparse
import bisect
import collections
import difflib
import json
import pathlib
import re
import time

import numpy as np
import sentencepiece as spm
import torch

import generate
from gguf_weights import read_weights
from ngram import Ngram
from train import newline_table

BEFORE, FIM_BEFORE, FIM_BEHIND, MOST = 1024, 352, 112, 48  # tokens
SEED = 20261124
CLASSES = {
    "line start": re.compile(r"(?<=^)[ \t]*(?=\S)"),
    "after ( [ . , = space": re.compile(r"(?<=\S)[(\[.,= ](?=\S)"),
    "inside a word": re.compile(r"(?<=\w)\w(?=\w)"),
}


def draw_carets(work, count):
    """Records {class, package, before, line, behind}, in random order: `line` is what was there, up to the line
    end."""
    by_package = collections.defaultdict(list)
    with open(work / "heldout.jsonl") as lines:
        for record in map(json.loads, lines):
            by_package[record["source"]].append(record["text"])
    rng = np.random.default_rng(SEED)
    kinds = [(package, name) for package in sorted(by_package) for name in CLASSES]
    carets = []
    for package, name in kinds:
        texts = by_package[package]
        share = np.array([len(t) for t in texts], float)
        while sum(c["package"] == package and c["class"] == name for c in carets) < count // len(kinds):
            text = texts[rng.choice(len(texts), p=share / share.sum())]
            starts = [0] + [m.end() for m in re.finditer("\n", text)]
            start = int(rng.choice(starts))
            line = text[start:].split("\n", 1)[0]
            places = [m.end() for m in CLASSES[name].finditer(line)]
            if not places or start < 200:  # some text to go by
                continue
            at = start + int(rng.choice(places))
            end = start + len(line)
            carets.append({"class": name, "package": package, "before": text[:at],
                           "line": text[at:end], "behind": text[end:]})
    return [carets[i] for i in rng.permutation(len(carets))]


class Pieces:
    """What the methods over tokens share: text to ids, and which ids may come next."""

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

    def complete(self, score, rest):
        """Greedy ids to the line end, as text behind `rest`; score(ids so far) gives [V]."""
        ids, text = [], rest
        while len(ids) < MOST:
            s = score(ids)
            if rest:
                s = np.where(self.allowed(rest), s, -np.inf)
            best = int(np.argmax(s))
            if self.stops[best]:
                break
            ids.append(best)
            rest = rest[len(self.text[best]):]
        return self.tokenizer.decode(ids)[len(text):]


class ModelMethods:
    def __init__(self, model, pieces):
        self.model, self.pieces = model, pieces
        self.newline = newline_table(pieces.tokenizer)

    def run(self, prompt, rest):
        reader = generate.Reader(self.model, self.newline)
        return self.pieces.complete(lambda ids: reader.read(ids[-1:] or prompt).numpy(), rest)

    def left_to_right(self, caret):
        ids, rest = self.pieces.healed(tail(self.pieces, caret["before"], BEFORE))
        return self.run([self.pieces.tokenizer.bos_id(), *ids], rest)

    def fill_in(self, caret):
        """With the text behind first and the text before last, so that the answer goes on from it."""
        encode, piece = self.pieces.tokenizer.encode, self.pieces.tokenizer.piece_to_id
        behind = encode(caret["behind"][:FIM_BEHIND * 12])[:FIM_BEHIND]
        ids, rest = self.pieces.healed(tail(self.pieces, caret["before"], FIM_BEFORE))
        return self.run([self.pieces.tokenizer.bos_id(), piece("<|fim_prefix|>"), piece("<|fim_suffix|>"), *behind,
                         piece("<|fim_middle|>"), *ids], rest)


def tail(pieces, text, count):
    return pieces.tokenizer.encode(text[-count * 12:])[-count:]


def ngram_method(ngram, pieces):
    def method(caret):
        ids, rest = pieces.healed(tail(pieces, caret["before"], 64))
        return pieces.complete(lambda more: ngram.distribution(ids + more), rest)
    return method


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


def frequent_line(work):
    counts = collections.Counter()
    with open(work / "train.jsonl") as records:
        for record in records:
            counts.update(line.strip() for line in json.loads(record)["text"].split("\n"))
    counts.pop("", None)
    lines = sorted(line for line, n in counts.items() if n > 2)

    def method(caret):
        typed = caret["before"].rsplit("\n", 1)[-1]
        start = typed.lstrip()
        low = bisect.bisect_left(lines, start)
        high = bisect.bisect_left(lines, start + "\U0010ffff")
        best = max(lines[low:high], key=counts.__getitem__, default=start)
        return best[len(start):]
    return method


def edit_similarity(a, b):
    """1 - Levenshtein / longer length."""
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return 1 - previous[-1] / max(len(a), len(b), 1)


def summary(scores):
    """Mean and half width of its 95 % interval, in percent."""
    values = 100 * np.array(scores, float)
    return [round(float(values.mean()), 1), round(float(1.96 * values.std(ddof=1) / len(values) ** 0.5), 1)]


def judge(carets, method, limit):
    """Scores of a method, on as many carets as there is time for."""
    exact, similar, answers, begin = [], [], [], time.time()
    for caret in carets:
        if time.time() - begin > limit:
            break
        have, want = method(caret).rstrip(), caret["line"].rstrip()
        answers.append(have)
        exact.append(have == want)
        similar.append(edit_similarity(have, want))
    carets = carets[:len(answers)]
    result = {"carets": len(carets), "exact": summary(exact), "similarity": summary(similar),
              "seconds a caret": round((time.time() - begin) / len(carets), 3), "by class": {}}
    for name in CLASSES:
        chosen = [i for i, caret in enumerate(carets) if caret["class"] == name]
        result["by class"][name] = {"exact": summary([exact[i] for i in chosen]),
                                    "similarity": summary([similar[i] for i in chosen])}
    return result, answers


def ngram_loss(ngram, work, count=4000):
    """Nats a token on the held-out stream, at places drawn with the seed."""
    tokens = np.load(work / "heldout.tokens.npy")
    places = np.random.default_rng(SEED).integers(16, len(tokens), count)
    return float(np.mean([-np.log(ngram.distribution(tokens[i - 8:i].tolist())[tokens[i]]) for i in places]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("work", "config", "weights", "out"):
        parser.add_argument("--" + name, type=pathlib.Path, required=True)
    parser.add_argument("--carets", type=int, default=900)
    parser.add_argument("--only", action="append", help="one method, by name; what OUT holds of others stays")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=3600, help="seconds for each method")
    parser.add_argument("--show", type=pathlib.Path, help="write every answer here, as JSON lines")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = spm.SentencePieceProcessor(model_file=str(args.work / "tokenizer.model"))
    pieces, carets = Pieces(tokenizer), draw_carets(args.work, args.carets)
    model = ModelMethods(generate.load(args.config, read_weights(args.weights)), pieces)
    ngram = {}

    def five_gram(caret):
        if not ngram:
            ngram["model"] = Ngram(np.load(args.work / "train.tokens.npy"))
            ngram["method"] = ngram_method(ngram["model"], pieces)
        return ngram["method"](caret)

    methods = {"model": model.left_to_right, "model, fill in the middle": model.fill_in, "5-gram": five_gram,
               "similar earlier line": similar_line, "frequent line": frequent_line}
    results, shown = {"seed": SEED, "carets": len(carets), "methods": {}}, [dict(c) for c in carets]
    if args.only and args.out.exists():
        results = json.loads(args.out.read_text())
    for name, method in methods.items():
        if args.only and name not in args.only:
            continue
        result, answers = judge(carets, method(args.work) if method is frequent_line else method, args.limit)
        results["methods"][name] = result
        for caret, answer in zip(shown, answers):
            caret[name] = answer
        print(name, result["exact"], result["similarity"], flush=True)
    if ngram:
        results["5-gram held-out nats a token"] = round(ngram_loss(ngram["model"], args.work), 4)
    args.out.write_text(json.dumps(results, indent=1) + "\n")
    if args.show:
        with open(args.show, "w") as out:
            for caret in shown:
                caret["before"], caret["behind"] = caret["before"][-200:], caret["behind"][:100]
                out.write(json.dumps(caret) + "\n")


if __name__ == "__main__":
    main()
