#!/usr/bin/env python3
"""Kills r1-complete at random moments (SIGKILL) and looks at what it left.

  kills.py R1-COMPLETE TINY.gguf [--kills 60] [--seed 1]

A file under its own name is the old one or the new one, never a part; records of a broken run are whole lines, but for
the last; the next run completes what is missing and leaves no temporary file.
"""
import argparse
import pathlib
import random
import subprocess
import tempfile
import time

OLD = "what stood here before\n"


def leftovers(folder: pathlib.Path) -> list[str]:
    return sorted(str(p) for p in folder.rglob(".r1-*.tmp"))


def read(path: pathlib.Path) -> str | None:
    return path.read_text() if path.exists() else None


class OneFile:
    """`-o FILE -f` over an old file."""

    arguments = ["-n", "200", "-p", "abc", "-o", "out", "-f"]

    def prepare(self, work):
        (work / "out").write_text(OLD)

    def check_broken(self, work, whole):
        assert read(work / "out") in (OLD, whole["out"]), f"torn: {read(work / 'out')!r}"

    again = arguments
    results = ["out"]


class Folder:
    """`-O DIR` of many files, and the same command again."""

    arguments = ["-n", "40", "-O", "done", *[f"in{i}" for i in range(8)]]

    def prepare(self, work):
        for i in range(8):
            (work / f"in{i}").write_text(f"abc{i}")

    def check_broken(self, work, whole):
        for i in range(8):
            name = f"done/in{i}.txt"
            assert read(work / name) in (None, whole[name]), f"torn: {name}"

    again = arguments
    results = [f"done/in{i}.txt" for i in range(8)]


class Journal:
    """`--jsonl -o FILE`, gone on with by `--resume`."""

    arguments = ["--jsonl", "-n", "40", "-o", "run.jsonl", "requests"]

    def prepare(self, work):
        (work / "requests").write_text("".join(f'{{"id":"r{i}","prompt":"abc{i}"}}\n' for i in range(16)))

    def check_broken(self, work, whole):
        assert read(work / "run.jsonl") in (None, whole["run.jsonl"]), "torn: run.jsonl"
        lines = (read(work / "run.jsonl.partial") or "").splitlines(keepends=True)
        wanted = whole["run.jsonl"].splitlines(keepends=True)
        for line, want in zip(lines[:-1], wanted):
            assert line == want, f"torn: {line!r}"
        assert not lines or wanted[len(lines) - 1].startswith(lines[-1]), f"torn: {lines[-1]!r}"

    again = [*arguments, "--resume"]
    results = ["run.jsonl"]


def run(tool, model, arguments, work, wait=None):
    """Runs the tool; killed after `wait` seconds. Returns how long it took, or None when killed."""
    start = time.monotonic()
    process = subprocess.Popen([tool, "-m", model, "--config", "none", "-q", "-t", "1", *arguments], cwd=work)
    try:
        status = process.wait(wait)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
    assert status == 0, f"status {status}: {arguments}"
    return time.monotonic() - start


def whole_run(case, tool, model):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        case.prepare(work)
        seconds = run(tool, model, case.arguments, work)
        return {name: (work / name).read_text() for name in case.results}, seconds


def broken_run(case, tool, model, whole, wait) -> tuple[bool, bool]:
    """Whether it was killed, and whether in the middle of a file."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        case.prepare(work)
        killed = run(tool, model, case.arguments, work, wait) is None
        case.check_broken(work, whole)
        unfinished = bool(leftovers(work)) or (work / "run.jsonl.partial").exists()
        run(tool, model, case.again, work)
        for name, text in whole.items():
            assert read(work / name) == text, f"the next run made another {name}"
        assert not leftovers(work), f"left behind: {leftovers(work)}"
        assert not (work / "run.jsonl.partial").exists(), "left behind: run.jsonl.partial"
        return killed, killed and unfinished


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=60, help="in all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tool, model = options.tool.resolve(), options.model.resolve()
    moments = random.Random(options.seed)
    cases = [(case, *whole_run(case, tool, model)) for case in (OneFile(), Folder(), Journal())]
    kills = runs = unfinished = 0
    while kills < options.kills:
        case, whole, seconds = cases[runs % len(cases)]
        killed, inside = broken_run(case, tool, model, whole, moments.uniform(0, seconds))
        kills += killed
        unfinished += inside
        runs += 1
        assert runs < 20 * options.kills, "the runs end before they are killed"
    assert unfinished > 0, "no kill met a file that was being written"
    print(f"{kills} kills in {runs} runs, {unfinished} in the middle of a file: 0 torn, 0 left behind")


if __name__ == "__main__":
    main()
