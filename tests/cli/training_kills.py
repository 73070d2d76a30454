#!/usr/bin/env python3
"""Kills r1-finetune at random moments, and goes on: each report and all files are those of a run that nobody killed.

    training_kills.py R1_FINETUNE MODEL.gguf [--kills 10] [--seed 1] [OPTIONS of r1-finetune]
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("tool")
parser.add_argument("model")
parser.add_argument("--kills", type=int, default=10)
parser.add_argument("--seed", type=int, default=1)
a, options = parser.parse_known_args()
a.tool, a.model = map(os.path.abspath, (a.tool, a.model))
random.seed(a.seed)
STEPS = 8  # a kill


def run(out, *more, iters, seconds=None):
    """What it printed, by step, and whether it came to its end."""
    command = [a.tool, "-q", "-m", a.model, "--data", "code.txt", "--max-seq-length", "64", "--batch-size", "2", "--iters", str(iters),
               "--learning-rate", "0.01", "--steps-per-report", "1", "--save-every", "3", "-t", "1", "--val", "code.txt",
               "--steps-per-eval", "5", "--sample-prompt", "def f", "--sample-tokens", "4", "-o", out, *options, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said, complaint = process.communicate(timeout=seconds)
            if process.returncode != 0:
                sys.exit(f"ends with {process.returncode}: {complaint}")
        except subprocess.TimeoutExpired:
            process.kill()
            said, complaint = process.communicate()
        # A line may be cut where the run was.
        records = [json.loads(line) for line in said.splitlines(keepends=True) if line.endswith("\n")]
        return {r["step"]: {k: v for k, v in r.items() if k != "index"} for r in records}, process.returncode == 0


def files(out):
    """All of them by name: weights, records, the curve, what the run was made of, and its last checkpoints."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(pathlib.Path(out).rglob("*")) if path.is_file()}


def seconds_of(out, iters):
    begin = time.time()
    return run(out, iters=iters)[0], time.time() - begin


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    with open("code.txt", "w") as file:
        file.writelines(f"def f{i}(x):\n    return x + {i}\n" for i in range(20))
    iters = STEPS * a.kills
    _, least = seconds_of("short", 1)
    whole, length = seconds_of("whole", iters)
    # So that about as many kills as are wanted befall one run: before its first step, between its steps, in its export.
    most = least + 1.5 * (length - least) / a.kills
    killed, runs = 0, 0
    while killed < a.kills:
        runs, finished = runs + 1, False
        while not finished:
            patient = killed >= 3 * a.kills  # on a machine that has become slow it would never end
            part, finished = run(f"part{runs}", "--resume", iters=iters, seconds=None if patient else random.uniform(0, most))
            killed += not finished
            for step, record in part.items():
                if record != whole[step]:
                    sys.exit(f"after {killed} kills step {step} is {record}, not {whole[step]}")
        want, have = files("whole"), files(f"part{runs}")
        if want.keys() != have.keys():
            sys.exit(f"after {killed} kills there are {sorted(have)}, not {sorted(want)}")
        for name, content in want.items():
            if have[name] != content:
                sys.exit(f"after {killed} kills {name} is another one")
print(f"{killed} kills, {runs} runs of {iters} steps: all the same")
