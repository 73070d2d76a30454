#!/usr/bin/env python3
"""Line completion on packages that were not trained on, as r1-complete does it: exact match and edit similarity.

    evaluate.py --work DIR --weights MODEL.gguf --out DIR [--tool R1_COMPLETE] [--carets 3600] [--only METHOD]

Every method writes up to the end of the line at the same carets (carets.py): r1-complete, greedy, with the text before
alone and with the text behind too, and the baselines of baselines.py. OUT gets the answers, a file a method, and
quality.json, made of all the answers that lie there. Intervals are 95 %, over files: carets of one file are no
independent witnesses.
"""
import argparse
import hashlib
import json
import pathlib
import subprocess
import time

import numpy as np
import sentencepiece as spm

import baselines
import carets

# Characters, about three to a token: what the model was trained to see, 512 tokens.
BEFORE, FIM_BEFORE, FIM_BEHIND, MOST = 1500, 1000, 350, 48
TOOL = pathlib.Path(__file__).resolve().parents[2] / "build/release/bin/r1-complete"


def tail(text, length):
    """The end of a text, whole lines."""
    return text if len(text) <= length else text[-length:].split("\n", 1)[-1]


def left_to_right(caret):
    return {"prompt": tail(caret["before"], BEFORE)}


def fill_in(caret):
    behind = caret["behind"][:FIM_BEHIND].rsplit("\n", 1)[0] + "\n"
    return {"prompt": tail(caret["before"], FIM_BEFORE), "suffix": behind}


def complete(tool, weights, requests):
    """What r1-complete answers."""
    lines = "".join(json.dumps({"id": str(i), **r}) + "\n" for i, r in enumerate(requests))
    done = subprocess.run([tool, "-m", weights, "--jsonl", "--stop-at", "line", "--fit", "-n", str(MOST)], input=lines,
                          stdout=subprocess.PIPE, text=True, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == len(requests) and all(r["status"] == "ok" for r in records)
    return [r["output"]["text"] for r in records]


def edit_similarity(a, b):
    """1 - Levenshtein / longer length."""
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return 1 - previous[-1] / max(len(a), len(b), 1)


def interval(scores, files):
    """Mean and half width of its 95 % interval, in percent; files: which one each score is from."""
    values = 100 * np.array(scores, float)
    _, which = np.unique(files, return_inverse=True)
    apart = np.bincount(which, values - values.mean())
    return [round(float(values.mean()), 1), round(float(1.96 * np.sqrt((apart ** 2).sum()) / len(values)), 1)]


def score(chosen, answers):
    """{caret's number: (exact, similarity)}"""
    return {i: (answers[i].rstrip() == chosen[i]["line"].rstrip(),
                edit_similarity(answers[i].rstrip(), chosen[i]["line"].rstrip())) for i in range(len(answers))}


def summary(chosen, scores, least):
    """What a method scores on all carets and by class, and how far it is ahead of the 5-gram model, caret by caret."""
    files = [c["package"] + c["file"] for c in chosen]

    def mean(numbers, value):
        return interval([value(i) for i in numbers], [files[i] for i in numbers])

    result = {"carets": len(scores)}
    for name in ("all", *carets.CLASSES):
        numbers = [i for i in scores if name in ("all", chosen[i]["class"])]
        result[name] = {"exact": mean(numbers, lambda i: scores[i][0]),
                        "similarity": mean(numbers, lambda i: scores[i][1])}
    both = [i for i in scores if i in least]
    if both:
        result["exact, ahead of the 5-gram"] = mean(both, lambda i: float(scores[i][0]) - least[i][0])
    return result


def write_quality(out, chosen, about):
    """quality.json of all the answers in a folder."""
    scores = {path.name.removesuffix(".answers.json"): score(chosen, json.loads(path.read_text()))
              for path in sorted(out.glob("*.answers.json"))}
    about["methods"] = {name: summary(chosen, s, scores.get("5-gram", {})) for name, s in scores.items()}
    (out / "quality.json").write_text(json.dumps(about, indent=1) + "\n")
    for name, m in about["methods"].items():
        print(name, m["carets"], "exact", m["all"]["exact"], "similarity", m["all"]["similarity"],
              [m[c]["exact"][0] for c in carets.CLASSES], m.get("exact, ahead of the 5-gram"))


def methods(args):
    """{name: function of all carets}; a baseline is made when it is asked."""
    def each(make):
        def answer(chosen):
            method = make()
            return [method(c) for c in chosen]
        return answer

    def five_gram():
        tokenizer = spm.SentencePieceProcessor(model_file=str(args.work / "tokenizer.model"))
        method = baselines.FiveGram(args.work, tokenizer)
        print("5-gram, nats a held-out token:", round(method.loss(args.work), 3))
        return method

    return {"left to right": lambda chosen: complete(args.tool, args.weights, [left_to_right(c) for c in chosen]),
            "fill in": lambda chosen: complete(args.tool, args.weights, [fill_in(c) for c in chosen]),
            "5-gram": each(five_gram), "similar earlier line": each(lambda: baselines.similar_line),
            "frequent line": each(lambda: baselines.FrequentLine(args.work))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("work", "weights", "out"):
        parser.add_argument("--" + name, type=pathlib.Path, required=True)
    parser.add_argument("--tool", type=pathlib.Path, default=TOOL)
    parser.add_argument("--carets", type=int, default=3600)
    parser.add_argument("--only", action="append", help="one method, by name; the answers of others stay")
    args = parser.parse_args()
    chosen = carets.draw(args.work, args.carets)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, method in methods(args).items():
        if args.only and name not in args.only:
            continue
        begin = time.time()
        (args.out / f"{name}.answers.json").write_text(json.dumps(method(chosen)) + "\n")
        print(name, round(time.time() - begin), "s", flush=True)
    digest = hashlib.sha256(args.weights.read_bytes()).hexdigest()
    write_quality(args.out, chosen, {"weights": digest, "seed": carets.SEED, "carets": len(chosen)})


if __name__ == "__main__":
    main()
