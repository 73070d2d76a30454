#!/usr/bin/env python3
"""Writes a small body of code in one house style, to learn from and to be tested on: what the README teaches a model.

    make.py DIR        DIR/learn.jsonl, DIR/heldout.jsonl; Apache-2.0, made of word lists, of no one's code

The style: services over one table, methods named VERB_NOUN with one documented line, checked arguments, a log line and a
counter before the work, a Result around what is found. Nouns of the two files differ, so that what is tested is the style
and not the words.
"""
import argparse
import json
import pathlib
import random

NOUNS = {"learn": "order invoice parcel ticket account ledger voucher contract report device sensor session profile basket "
                  "shipment refund coupon address payment message".split(),
         "heldout": "policy warrant sample booking vehicle library".split()}
FIELDS = "status owner amount currency priority region label version origin reason".split()
KEYS = ("int", "str")


def find(noun, field, key):
    return f'''    def find_{noun}(self, key: {key}) -> Result:
        """Finds the {noun} of a key."""
        require(key, {key}, name="key")
        log.debug("{noun}.find key=%s", key)
        self._counters["{noun}.find"].add(1)
        with self._table.reading() as rows:
            row = rows.get(key)
        return Result.of(row) if row is not None else Result.missing("{noun}", key)
'''


def change(noun, field, key):
    return f'''    def change_{field}_of_{noun}(self, key: {key}, {field}: str) -> Result:
        """Changes the {field} of the {noun} of a key."""
        require(key, {key}, name="key")
        require({field}, str, name="{field}")
        log.debug("{noun}.change key=%s {field}=%s", key, {field})
        self._counters["{noun}.change"].add(1)
        with self._table.writing() as rows:
            row = rows.get(key)
            if row is None:
                return Result.missing("{noun}", key)
            rows.put(key, row.replace({field}={field}))
        return Result.of(key)
'''


def remove(noun, field, key):
    return f'''    def remove_{noun}(self, key: {key}) -> Result:
        """Removes the {noun} of a key."""
        require(key, {key}, name="key")
        log.debug("{noun}.remove key=%s", key)
        self._counters["{noun}.remove"].add(1)
        with self._table.writing() as rows:
            if not rows.has(key):
                return Result.missing("{noun}", key)
            rows.drop(key)
        return Result.of(key)
'''


def every(noun, field, key):
    return f'''    def every_{noun}_with_{field}(self, {field}: str, limit: int = 100) -> Result:
        """Finds every {noun} with a {field}, {{limit}} at most."""
        require({field}, str, name="{field}")
        require(limit, int, name="limit")
        log.debug("{noun}.every {field}=%s limit=%d", {field}, limit)
        self._counters["{noun}.every"].add(1)
        with self._table.reading() as rows:
            found = rows.select(lambda row: row.{field} == {field}, limit=limit)
        return Result.of(found)
'''


def service(rng, noun):
    key, name = rng.choice(KEYS), noun.capitalize()
    head = f'''"""The service of each {noun}."""
from house.checks import require
from house.logs import logger
from house.results import Result

log = logger(__name__)


class {name}Service:
    """Finds, changes and removes each {noun}."""

    def __init__(self, table, counters):
        self._table = table
        self._counters = counters

'''
    fields = rng.sample(FIELDS, 3)
    methods = [find(noun, None, key), remove(noun, None, key)]
    methods += [change(noun, f, key) for f in fields[:2]] + [every(noun, fields[2], key)]
    rng.shuffle(methods)
    return head + "\n".join(methods)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", metavar="DIR", type=pathlib.Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, nouns in NOUNS.items():
        rng = random.Random(name)
        with open(out / f"{name}.jsonl", "w") as lines:
            for noun in nouns:
                record = {"source": "house", "path": f"{noun}.py", "text": service(rng, noun)}
                lines.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
