#!/usr/bin/env python3
"""Speed of r1 on a card beside PyTorch, turn by turn in one run, and beside what the card can do at most.

    gpu_vs_torch.py R1-BENCH --work DIR [--only attention products decode prefill batch] [--turns 3] [--seconds 240]

attention   paged prefill and decode beside scaled_dot_product_attention, same heads, lengths and type of the cache
products    bf16 beside torch.matmul; quantized weights at 1 row as a share of the copy bandwidth
decode      random models of 1.1 and 7 billion weights at batch 1, as a share of the copy bandwidth
prefill     8192 tokens of the 7B model, as a share of the product rate: the higher of ours and torch.matmul's
batch       64 sequences of the 1.1B model beside transformers with a static cache and torch.compile, same weights

Our times are r1-bench's; theirs are taken as it takes them: calls queued one behind the other, waited for once a
sample, inputs in turns that fill the card's cache twice. Prints a table; DIR gets all records, the random models
(18 GB, and 2 GB for `batch` alone) and table.json. What cannot be run is a row that says why. Wants python3; torch,
numpy and transformers where a row needs them. --dry-run says what would be run; --tiny takes small cases, with which
the script itself is tried on a machine without a card (--device cpu).
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

import torch_side

HERE = pathlib.Path(__file__).resolve().parent
CASES = {"attention": ["op:attention_paged/*@*"],
         "products": ["op:linear/bf16/*4096*", "op:linear/bf16/8192x8192x8192", "op:linear/q*/1x4096x14336"]}
TINY = {"attention": ["op:attention_paged/decode/16x32x64"],
        "products": ["op:linear/bf16/16x2048x5632", "op:linear/q8_0/1x2048x5632"]}
SQUARE = "op:linear/bf16/8192x8192x8192"
# What is wanted: of a ratio of speeds, of a share of the copy bandwidth or of the product rate.
ATTENTION, QUANTIZED, DECODE, PREFILL, BATCH = 0.8, 0.75, 0.85, 0.7, 2.0
# group: (shape, type, arguments of r1-bench)
MODELS = {"decode": [("1.1B", "bf16", ["-n", "64", "--depth", "512"]), ("7B", "bf16", ["-n", "64", "--depth", "512"]),
                     ("7B", "q4_k", ["-n", "64", "--depth", "512"])],
          "prefill": [("7B", "bf16", ["--prompt-tokens", "8192"])],
          "batch": [("1.1B", "bf16", ["-n", "64", "--depth", "128", "--batch-size", "64"])]}
TINY_MODELS = {"decode": [("15M", "bf16", ["-n", "4", "--depth", "8"])],
               "prefill": [("15M", "bf16", ["--prompt-tokens", "64"])],
               "batch": [("15M", "bf16", ["-n", "4", "--depth", "8", "--batch-size", "4"])]}


class NotRun(Exception):
    """Why a row is not there."""


class Run:
    """One run of the script: its settings, its clock, and the records of both sides."""

    def __init__(self, args):
        self.args, self.end = args, time.monotonic() + args.seconds
        self.ours, self.theirs, self.rows = [], [], []

    def left(self):
        left = self.end - time.monotonic()
        if left < 5:
            raise NotRun("time is up")
        return left

    def bench(self, arguments):
        """Records of one run of r1-bench."""
        short = ["--min-time", "0s", "--repeat", "2"] if self.args.tiny else ["--min-time", "200ms"]
        command = [str(self.args.program), "-q", "--device", self.args.device, "--jsonl", *short, *arguments]
        if self.args.dry_run:
            print("run  ", *command)
            return []
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.left())
        except subprocess.TimeoutExpired:
            raise NotRun("time is up") from None
        records = read_records(done.stdout)
        if not records:
            raise NotRun(done.stderr.strip() or f"r1-bench ended with {done.returncode}")
        self.ours += records
        return records

    def model(self, shape, kind):
        """Path of a random model, written when it is not there: bf16 as a folder, which transformers read too."""
        path = self.args.work / (f"random-{shape}" if kind == "bf16" else f"random-{shape}-{kind}.gguf")
        if self.args.dry_run:
            print("write", path)
        elif not path.exists():
            self.left()
            try:
                import random_checkpoint
                import random_gguf
            except ImportError as e:
                raise NotRun(f"no {e.name}") from None
            if kind == "bf16":
                random_checkpoint.write(path, shape)
            else:
                random_gguf.write(path, shape, kind, seed=0)
        return path

    def torch_turn(self, ours):
        """Torch's time of what each of our records measured."""
        for record in ours:
            self.left()
            try:
                samples = torch_side.samples_of(record["id"], self.args.device)
            except Exception as e:  # whatever this version of torch does not take is a row
                self.skip(f"{record['id']} beside torch", first_line(e))
                continue
            if samples:
                self.note_theirs(record, samples)

    def note_theirs(self, record, samples):
        if record["status"] == "ok":
            self.theirs.append({**{k: record[k] for k in ("schema", "id", "model", "cpu", "gpu")}, "samples_ns": samples})

    def compared(self, wanted):
        """Rows of our speed over torch's, by r1-bench's own comparison: torch is the old side."""
        paths = [self.args.work / name for name in ("torch.jsonl", "ours.jsonl")]
        for path, records in zip(paths, (self.theirs, self.ours)):
            path.write_text("".join(json.dumps(r) + "\n" for r in records if r["samples_ns"]))
        done = subprocess.run([str(self.args.program), "-q", "--compare", *map(str, paths), "--jsonl"],
                              capture_output=True, text=True)
        for line in done.stdout.splitlines():
            c = json.loads(line)
            test = f"{c['model']} {c['id']}" if c["model"] else c["id"]
            self.add(test, c["new_ns"], c["old_ns"], "of torch", c["speed"], c["low"], c["high"], wanted(c["id"]))

    def add(self, test, ours_ns, other_ns, of, ratio, low, high, wanted):
        self.rows.append({"test": test, "ours_ns": ours_ns, "other_ns": other_ns, "of": of, "ratio": ratio, "low": low,
                          "high": high, "wanted": wanted, "met": None if wanted is None else ratio >= wanted})

    def add_shares(self, records, wanted, of, share=lambda r: r["share_of_peak"]):
        """A row a test: the median of the turns, between the lowest and the highest of them."""
        for test in dict.fromkeys(name_of(r) for r in records):
            turns = [r for r in records if name_of(r) == test]
            failed = next((r for r in turns if r["status"] != "ok"), None)
            if failed:
                self.skip(test, (failed["error"] or {}).get("message") or "; ".join(failed["warnings"]))
                continue
            shares = [share(r) for r in turns]
            self.add(test, statistics.median(r["median"] for r in turns), None, of, statistics.median(shares),
                     min(shares), max(shares), wanted)

    def skip(self, test, why):
        self.rows.append({"test": test, "not_run": why})


def read_records(text):
    """The records of r1-bench --jsonl; a last line that is not whole was cut off and does not count."""
    records = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("schema") == "r1.bench/1":
            records.append(record)
    return records


def first_line(error):
    return f"{type(error).__name__}: {error}".splitlines()[0]


def name_of(record):
    model = record["model"]
    return f"{pathlib.Path(model['name']).name} {record['id']}" if model else record["id"]


def operations(run, group):
    """Attention and products: ours, torch, ours, torch."""
    records = []
    for _ in range(run.args.turns):
        turn = [r for glob in (TINY if run.args.tiny else CASES)[group] for r in run.bench(["--ops", glob])]
        records += turn
        beside = [r for r in turn if "/q" not in r["id"]]
        if run.args.dry_run:
            print("torch the same")
        elif torch_side.missing():
            run.skip(f"{group} beside torch", torch_side.missing())
            break
        else:
            run.torch_turn(beside)
    quantized = [r for r in records if "/q" in r["id"]]
    run.add_shares(quantized, QUANTIZED, "of copy bandwidth")


def models(run, group):
    for shape, kind, arguments in (TINY_MODELS if run.args.tiny else MODELS)[group]:
        try:
            path = run.model(shape, kind)
            other = "--prompt-tokens" if "-n" in arguments else "-n"
            command = ["-m", str(path), *arguments, other, "0"]
            if group == "batch":
                beside_transformers(run, path, command)
            elif group == "decode":
                run.add_shares(run.bench(command), DECODE, "of copy bandwidth")
            else:
                share_of_products(run, run.bench(command))
        except NotRun as e:
            run.skip(f"{group} of {shape} {kind}", str(e))


def share_of_products(run, records):
    """Against the highest rate that anybody reached with 8192 x 8192 matrices."""
    rates = [2 * 8192**3 / min(r["samples_ns"]) / 1e3 for r in run.theirs + run.ours
             if r["id"] == SQUARE and r["samples_ns"]]
    rates += [r["limit"]["tflop_per_s"] for r in records if r["limit"]]
    run.add_shares(records, PREFILL, "of product rate", lambda r: r["tflop_per_s"] / max(rates))


def beside_transformers(run, path, command):
    if run.args.dry_run:
        run.bench(command)
        print("torch transformers, static cache, torch.compile")
        return
    if why := torch_side.missing("transformers"):
        raise NotRun(why)
    theirs = None
    for _ in range(run.args.turns):
        record = run.bench(command)[0]
        test = record["test"]
        try:
            if theirs is None:
                theirs = torch_side.decoder(path, test["batch_size"], test["depth"], test["max_tokens"],
                                            run.args.device)
            run.note_theirs(record, theirs())
        except Exception as e:
            raise NotRun(f"transformers: {first_line(e)}") from None


def wanted_beside_torch(test):
    """None of plain products: how they do beside torch is shown, and nothing is asked of it."""
    return ATTENTION if test.startswith("op:attention") else BATCH if test.startswith("tg") else None


def shown_ms(ns):
    return "" if ns is None else f"{ns / 1e6:.3f}"


def table(rows):
    lines = ["| test | ours ms | theirs ms | ratio | between | wanted |", "|---|---:|---:|---:|---|---|"]
    for r in rows:
        if "not_run" in r:
            lines.append(f"| {r['test']} | | | | not run: {r['not_run']} | |")
            continue
        between = "" if r["low"] is None else f"{r['low']:.3f}–{r['high']:.3f}"
        wanted = {None: "", True: f"{r['wanted']}", False: f"{r['wanted']}: missed"}[r["met"]]
        lines.append(f"| {r['test']} | {shown_ms(r['ours_ns'])} | {shown_ms(r['other_ns'])} | {r['ratio']:.3f} {r['of']} "
                     f"| {between} | {wanted} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path, help="r1-bench")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for models and records")
    parser.add_argument("--only", nargs="+", default=["attention", "products", *MODELS],
                        choices=["attention", "products", *MODELS], metavar="GROUP")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=240, help="begin nothing behind so many")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    args.program = args.program.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    run = Run(args)
    for group in args.only:
        try:
            operations(run, group) if group in CASES else models(run, group)
        except NotRun as e:
            run.skip(group, str(e))
    if args.dry_run:
        return
    if run.theirs:
        run.compared(wanted_beside_torch)
    print(table(run.rows))
    (args.work / "table.json").write_text(json.dumps(run.rows, indent=1) + "\n")
    sys.exit(not any("ratio" in r for r in run.rows))


if __name__ == "__main__":
    main()
