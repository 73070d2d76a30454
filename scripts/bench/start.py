#!/usr/bin/env python3
"""How long r1-complete takes from exec to its first token, warm, and where that goes.

    start.py R1-COMPLETE [--repeat 50] [-m MODEL]

Prints median and 95th percentile of `echo 'x =' | r1-complete -n 1`, of `--help`, of an unknown option and of
`--list-models`; then, from one run under strace, the milliseconds between the marks that the kernel sees (strace
slows each call down: the shares are to be read, not the sum). Ends with status 1 when a budget is missed or libcuda
was opened. Only a quiet machine gives figures worth keeping.
"""
import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time

BUDGETS = {"first token": 100, "--help": 10, "unknown option": 10, "--list-models": 50}
MARKS = [("exec, link, options", r'readlink\("/proc/self/exe"'),
         ("finding the model", r'openat\(.*(\.gguf|config\.json)".* = \d'),
         ("map, header, tokenizer, weights", r"\bread\(0,"),
         ("prompt and first token", r"\bwrite\(1,")]


def times(command, text, repeat, status):
    out = []
    for _ in range(repeat + 3):
        began = time.perf_counter()
        done = subprocess.run(command, input=text, capture_output=True)
        out.append((time.perf_counter() - began) * 1000)
        if done.returncode != status:
            sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    return sorted(out[3:])


def trace(command, text):
    """[(seconds, call)] of one run."""
    with tempfile.NamedTemporaryFile("r") as log:
        subprocess.run(["strace", "-f", "-ttt", "-o", log.name, *command], input=text, capture_output=True, check=True)
        lines = [line.split(None, 2) for line in log]
    return [(float(at), call) for _, at, call in lines]


def table(calls):
    at, i = calls[0][0], 0
    for name, mark in MARKS:
        found = next((k for k in range(i, len(calls)) if re.search(mark, calls[k][1])), None)
        if found is None:
            print(f"{name:34} no mark")
            continue
        print(f"{name:34} {(calls[found][0] - at) * 1000:6.1f} ms")
        at, i = calls[found][0], found
    print(f"{'end':34} {(calls[-1][0] - at) * 1000:6.1f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("--repeat", type=int, default=50)
    parser.add_argument("-m", dest="model")
    args = parser.parse_args()
    first = [args.tool, "-n", "1", *(["-m", args.model] if args.model else [])]
    runs = {"first token": (first, b"x =\n", 0), "--help": ([args.tool, "--help"], b"", 0),
            "unknown option": ([args.tool, "--no-such-option"], b"", 2),
            "--list-models": ([args.tool, "--list-models"], b"", 0)}
    good = True
    for name, (command, text, status) in runs.items():
        ms = times(command, text, args.repeat, status)
        median, p95 = statistics.median(ms), ms[min(len(ms) - 1, len(ms) * 95 // 100)]
        good &= median <= BUDGETS[name]
        print(f"{name:34} {median:6.1f} ms median, {p95:.1f} ms p95, budget {BUDGETS[name]} ms", flush=True)
    calls = trace(first, b"x =\n")
    table(calls)
    if any(re.search(r"openat\(.*libcuda.* = \d", call) for _, call in calls):
        good = False
        print("libcuda was opened")
    sys.exit(not good)


if __name__ == "__main__":
    main()
