#!/usr/bin/env python3
"""Kills r1-finetune at random moments, and goes on: each report and the files are those of a run that nobody killed.

    training_kills.py R1_FINETUNE MODEL.gguf [--kills 10] [--seed 1]
"""
import argparse
import json
import os
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
a = parser.parse_args()
a.tool, a.model = map(os.path.abspath, (a.tool, a.model))
random.seed(a.seed)


def run(out, *more, seconds=None):
    """What it printed, by step, and whether it came to its end."""
    command = [a.tool, "-q", "-m", a.model, "--data", "code.txt", "--max-seq-length", "64", "--batch-size", "2", "--iters", "40",
               "--learning-rate", "0.01", "--steps-per-report", "1", "--save-every", "3", "-t", "1", "--val", "code.txt",
               "--steps-per-eval", "5", "--sample-prompt", "def f", "--sample-tokens", "4", "-o", out, *more]
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
    found = {}
    for name in "adapter_model.safetensors", "records.jsonl", "loss.svg":
        with open(os.path.join(out, name), "rb") as file:
            found[name] = file.read()
    return found


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    with open("code.txt", "w") as file:
        file.writelines(f"def f{i}(x):\n    return x + {i}\n" for i in range(20))
    begin = time.time()
    whole, _ = run("whole")
    length, killed, runs = time.time() - begin, 0, 0
    while killed < a.kills:
        runs, finished = runs + 1, False
        while not finished:
            part, finished = run(f"part{runs}", "--resume", seconds=random.uniform(0, 0.7 * length))
            killed += not finished
            for step, record in part.items():
                if record != whole[step]:
                    sys.exit(f"after {killed} kills step {step} is {record}, not {whole[step]}")
        for name, content in files("whole").items():
            if files(f"part{runs}")[name] != content:
                sys.exit(f"after {killed} kills {name} is another one")
print(f"{killed} kills, {runs} runs: all the same")
