#!/usr/bin/env python3
"""Speed of r1 beside llama.cpp: the same GGUF file, the same threads, turn by turn in one run.

    complete_vs_llamacpp.py [--shapes 125M 1.1B] [--types f16 q8_0 q4_0 q4_k] [--threads 1 2]

Writes random models into --work (they are large), measures prefill of 512 positions, decoding of
64 single positions, and decoding of 16 sequences at once, each as the median of the ratios of
neighbouring turns (A B A B). Needs numpy and llama-cpp-python, and a release build of r1.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import llama_cpp

import random_gguf

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parents[1] / "build/release/bin/network_speed"
PREFILL, DECODE, SEQUENCES, BATCH_STEPS = 512, 64, 16, 12


class Ours:
    """The bare network of r1, in a process of its own that answers commands."""

    def __init__(self, path, threads):
        self.process = subprocess.Popen([PROGRAM, path, str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"{PROGRAM} did not start")

    def ask(self, command):
        """Seconds that a command took."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()) / 1e9

    def prefill(self):
        return self.ask(f"prefill {PREFILL}")

    def decode(self):
        return self.ask(f"decode {DECODE}")

    def batch(self):
        return self.ask(f"batch {SEQUENCES} {BATCH_STEPS}")

    def alone(self):
        return SEQUENCES * self.ask(f"decode {BATCH_STEPS}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """llama.cpp through its C interface: no sampling, no text, logits of the last position."""

    def __init__(self, path, threads):
        llama_cpp.llama_log_set(SILENT, None)
        llama_cpp.llama_backend_init()
        model = llama_cpp.llama_model_default_params()
        model.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), model)
        context = llama_cpp.llama_context_default_params()
        context.n_ctx, context.n_batch, context.n_ubatch = 2048 * SEQUENCES, 512, 512
        context.n_seq_max = SEQUENCES
        context.n_threads = context.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, context)
        self.rows = llama_cpp.llama_batch_init(512, 0, 1)

    def step(self, sequences, rows, position):
        batch = self.rows
        batch.n_tokens = sequences * rows
        for s in range(sequences):
            for r in range(rows):
                i = s * rows + r
                batch.token[i] = 300 + (s * 7919 + (position + r) * 31) % 20000
                batch.pos[i] = position + r
                batch.n_seq_id[i] = 1
                batch.seq_id[i][0] = s
                batch.logits[i] = r == rows - 1
        if llama_cpp.llama_decode(self.context, batch) != 0:
            sys.exit("llama.cpp failed to decode")
        llama_cpp.llama_get_logits(self.context)

    def timed(self, steps, sequences, rows):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        start = time.perf_counter()
        for i in range(steps):
            self.step(sequences, rows, i * rows)
        return time.perf_counter() - start

    def prefill(self):
        return self.timed(1, 1, PREFILL)

    def decode(self):
        return self.timed(DECODE, 1, 1)

    def batch(self):
        return self.timed(BATCH_STEPS, SEQUENCES, 1)

    def close(self):
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)


@llama_cpp.llama_log_callback
def SILENT(level, text, data):
    pass


def others_share(before, after, seconds, own):
    """Share of the machine's CPU time that went to processes other than ours."""
    busy = sum(after[:3]) - sum(before[:3])
    return max(0.0, busy / os.sysconf("SC_CLK_TCK") - own) / (seconds * os.cpu_count())


def cpu_times():
    return [int(n) for n in open("/proc/stat").readline().split()[1:8]]


def own_times(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compare(path, threads, repeats):
    """One row of the table: our tokens per second, the ratio to the peer's, per test."""
    ours, peer = Ours(path, threads), Peer(path, threads)
    row, tests = {}, [("prefill", PREFILL), ("decode", DECODE), ("batch", SEQUENCES * BATCH_STEPS)]
    start, before = time.time(), cpu_times()
    own = lambda: own_times(os.getpid()) + own_times(ours.process.pid)
    own_before = own()
    for name, tokens in tests:
        getattr(ours, name)(), getattr(peer, name)()
        turns = [(getattr(ours, name)(), getattr(peer, name)()) for _ in range(repeats)]
        row[name] = {"tokens_per_s": tokens / statistics.median(t for t, _ in turns),
                     "peer_tokens_per_s": tokens / statistics.median(t for _, t in turns),
                     "ratio": statistics.median(b / a for a, b in turns)}
    row["batch"]["over_alone"] = statistics.median(ours.alone() / ours.batch() for _ in range(3))
    row["interference"] = others_share(before, cpu_times(), time.time() - start, own() - own_before)
    row["read_gb_per_s"] = (512 << 20) / min(ours.ask("probe") for _ in range(5)) / 1e9
    ours.close(), peer.close()
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=["125M", "1.1B"])
    parser.add_argument("--types", nargs="+", default=["f16", "q8_0", "q4_0", "q4_k"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the random models")
    parser.add_argument("--json", action="store_true", help="print records instead of a table")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if not args.json:
        print("| model | threads | prefill tok/s (ratio) | decode tok/s (ratio) | batch of 16 tok/s (ratio) "
              "| batch over alone | read GB/s | others' CPU |\n|---|---|---|---|---|---|---|---|", flush=True)
    for shape in args.shapes:
        for kind in args.types:
            path = args.work / f"random-{shape}-{kind}.gguf"
            if not path.exists():
                random_gguf.write(path, shape, kind, seed=0)
            for threads in args.threads:
                row = compare(path, threads, args.repeats)
                if args.json:
                    print(json.dumps({"model": f"{shape} {kind}", "threads": threads, **row}), flush=True)
                    continue
                cells = [f"{row[t]['tokens_per_s']:.0f} ({row[t]['ratio']:.2f}×)"
                         for t in ("prefill", "decode", "batch")]
                print(f"| {shape} {kind} | {threads} | {' | '.join(cells)} | {row['batch']['over_alone']:.2f}× "
                      f"| {row['read_gb_per_s']:.0f} | {row['interference']:.0%} |", flush=True)


if __name__ == "__main__":
    main()
