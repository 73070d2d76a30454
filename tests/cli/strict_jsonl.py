#!/usr/bin/env python3
"""Runs a command and reads each line it prints as strictly as Python can: UTF-8, one JSON value a line,
no NaN or Infinity, no key twice, no lone surrogate, no raw control character.

    strict_jsonl.py COUNT COMMAND…      fails unless there are COUNT good lines
"""
import json
import subprocess
import sys


def refuse(what):
    raise ValueError(f"{what} is no JSON")


def once(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def check(line):
    text = line.decode("utf-8", "strict")
    if not text.endswith("\n") or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text[:-1]):
        raise ValueError("the line is cut, or holds a control character")
    value = json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    json.dumps(value, ensure_ascii=False).encode("utf-8", "strict")  # fails on a lone surrogate


def main():
    wanted, good = int(sys.argv[1]), 0
    with subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE) as process:
        for line in process.stdout:
            try:
                check(line)
            except ValueError as error:
                sys.exit(f"line {good + 1}: {error}: {line!r}")
            good += 1
    print(f"{good} good lines")
    sys.exit(process.returncode or good != wanted)


main()
