#!/usr/bin/env python3
"""Writes our own exercise set: classic functions under generated names and docstrings, as JSONL.

    exercises.py OUT.jsonl [--copies 40]

Every body below was written for this project (Apache-2.0). Names in braces are drawn per copy; the algorithms
in HELD_OUT are never written, so that they can be asked for.
"""
import argparse
import json
import random

NAMES = {
    "seq": ["items", "values", "numbers", "data", "elements", "xs", "arr"],
    "x": ["item", "value", "number", "element", "x"],
    "n": ["n", "number", "count", "num"],
    "s": ["text", "string", "s", "word"],
    "i": ["i", "index", "pos"],
    "acc": ["total", "result", "acc", "output"],
    "d": ["counts", "table", "mapping", "lookup"],
    "g": ["graph", "edges", "adjacency", "neighbors"],
    "t": ["target", "goal", "key", "wanted"],
    "a": ["a", "left", "first", "x"],
    "b": ["b", "right", "second", "y"],
}
HELD_OUT = {"gcd", "is_palindrome", "binary_search", "flatten", "transpose", "word_count"}

# (function name, docstring, body) with {names} drawn per copy
EXERCISES = [
    ("factorial({n})", "Return the factorial of {n}.", "if {n} <= 1:\n    return 1\nreturn {n} * factorial({n} - 1)"),
    ("fibonacci({n})", "Return the {n}-th Fibonacci number.", "{a}, {b} = 0, 1\nfor _ in range({n}):\n    {a}, {b} = {b}, {a} + {b}\nreturn {a}"),
    ("is_prime({n})", "Return True if {n} is prime.", "if {n} < 2:\n    return False\ndivisor = 2\nwhile divisor * divisor <= {n}:\n    if {n} % divisor == 0:\n        return False\n    divisor += 1\nreturn True"),
    ("is_even({n})", "Return True if {n} is even.", "return {n} % 2 == 0"),
    ("is_odd({n})", "Return True if {n} is odd.", "return {n} % 2 == 1"),
    ("gcd({a}, {b})", "Return the greatest common divisor.", "while {b}:\n    {a}, {b} = {b}, {a} % {b}\nreturn {a}"),
    ("lcm({a}, {b})", "Return the least common multiple.", "if {a} == 0 or {b} == 0:\n    return 0\nreturn abs({a} * {b}) // gcd({a}, {b})"),
    ("quicksort({seq})", "Return a sorted copy of {seq}.", "if len({seq}) <= 1:\n    return {seq}\npivot = {seq}[len({seq}) // 2]\nleft = [{x} for {x} in {seq} if {x} < pivot]\nmiddle = [{x} for {x} in {seq} if {x} == pivot]\nright = [{x} for {x} in {seq} if {x} > pivot]\nreturn quicksort(left) + middle + quicksort(right)"),
    ("merge_sort({seq})", "Return a sorted copy of {seq}.", "if len({seq}) <= 1:\n    return {seq}\nhalf = len({seq}) // 2\nreturn merge(merge_sort({seq}[:half]), merge_sort({seq}[half:]))"),
    ("merge({a}, {b})", "Merge two sorted lists into one.", "{acc} = []\ni = j = 0\nwhile i < len({a}) and j < len({b}):\n    if {a}[i] <= {b}[j]:\n        {acc}.append({a}[i])\n        i += 1\n    else:\n        {acc}.append({b}[j])\n        j += 1\nreturn {acc} + {a}[i:] + {b}[j:]"),
    ("bubble_sort({seq})", "Sort {seq} in place.", "for end in range(len({seq}) - 1, 0, -1):\n    for {i} in range(end):\n        if {seq}[{i}] > {seq}[{i} + 1]:\n            {seq}[{i}], {seq}[{i} + 1] = {seq}[{i} + 1], {seq}[{i}]\nreturn {seq}"),
    ("insertion_sort({seq})", "Sort {seq} in place.", "for {i} in range(1, len({seq})):\n    {x} = {seq}[{i}]\n    j = {i}\n    while j > 0 and {seq}[j - 1] > {x}:\n        {seq}[j] = {seq}[j - 1]\n        j -= 1\n    {seq}[j] = {x}\nreturn {seq}"),
    ("selection_sort({seq})", "Sort {seq} in place.", "for {i} in range(len({seq})):\n    least = min(range({i}, len({seq})), key={seq}.__getitem__)\n    {seq}[{i}], {seq}[least] = {seq}[least], {seq}[{i}]\nreturn {seq}"),
    ("binary_search({seq}, {t})", "Return the index of {t} in sorted {seq}, or -1.", "low, high = 0, len({seq}) - 1\nwhile low <= high:\n    middle = (low + high) // 2\n    if {seq}[middle] == {t}:\n        return middle\n    if {seq}[middle] < {t}:\n        low = middle + 1\n    else:\n        high = middle - 1\nreturn -1"),
    ("linear_search({seq}, {t})", "Return the index of {t}, or -1.", "for {i}, {x} in enumerate({seq}):\n    if {x} == {t}:\n        return {i}\nreturn -1"),
    ("maximum({seq})", "Return the largest of {seq}.", "best = {seq}[0]\nfor {x} in {seq}[1:]:\n    if {x} > best:\n        best = {x}\nreturn best"),
    ("minimum({seq})", "Return the smallest of {seq}.", "best = {seq}[0]\nfor {x} in {seq}[1:]:\n    if {x} < best:\n        best = {x}\nreturn best"),
    ("mean({seq})", "Return the mean of {seq}.", "return sum({seq}) / len({seq})"),
    ("median({seq})", "Return the median of {seq}.", "ordered = sorted({seq})\nhalf = len(ordered) // 2\nif len(ordered) % 2:\n    return ordered[half]\nreturn (ordered[half - 1] + ordered[half]) / 2"),
    ("variance({seq})", "Return the variance of {seq}.", "center = sum({seq}) / len({seq})\nreturn sum(({x} - center) ** 2 for {x} in {seq}) / len({seq})"),
    ("reverse_string({s})", "Return {s} backwards.", "return {s}[::-1]"),
    ("reverse_list({seq})", "Return {seq} in reverse order.", "{acc} = []\nfor {x} in {seq}:\n    {acc}.insert(0, {x})\nreturn {acc}"),
    ("is_palindrome({s})", "Return True if {s} reads the same backwards.", "return {s} == {s}[::-1]"),
    ("count_vowels({s})", "Count the vowels in {s}.", "return sum(1 for c in {s}.lower() if c in 'aeiou')"),
    ("is_anagram({a}, {b})", "Return True if the words use the same letters.", "return sorted({a}) == sorted({b})"),
    ("capitalize_words({s})", "Capitalize every word of {s}.", "return ' '.join({x}.capitalize() for {x} in {s}.split())"),
    ("word_count({s})", "Count how often each word occurs in {s}.", "{d} = {{}}\nfor {x} in {s}.split():\n    {d}[{x}] = {d}.get({x}, 0) + 1\nreturn {d}"),
    ("char_count({s})", "Count how often each character occurs in {s}.", "{d} = {{}}\nfor c in {s}:\n    {d}[c] = {d}.get(c, 0) + 1\nreturn {d}"),
    ("caesar({s}, shift)", "Shift the letters of {s}.", "{acc} = []\nfor c in {s}:\n    if c.isalpha():\n        base = ord('A') if c.isupper() else ord('a')\n        c = chr((ord(c) - base + shift) % 26 + base)\n    {acc}.append(c)\nreturn ''.join({acc})"),
    ("unique({seq})", "Return {seq} without repeats, in order.", "seen = set()\n{acc} = []\nfor {x} in {seq}:\n    if {x} not in seen:\n        seen.add({x})\n        {acc}.append({x})\nreturn {acc}"),
    ("flatten({seq})", "Flatten nested lists.", "{acc} = []\nfor {x} in {seq}:\n    if isinstance({x}, list):\n        {acc}.extend(flatten({x}))\n    else:\n        {acc}.append({x})\nreturn {acc}"),
    ("chunks({seq}, size)", "Yield pieces of {seq} of the given size.", "for {i} in range(0, len({seq}), size):\n    yield {seq}[{i}:{i} + size]"),
    ("transpose(matrix)", "Return the transpose of a matrix.", "return [list(row) for row in zip(*matrix)]"),
    ("matmul({a}, {b})", "Multiply two matrices.", "{acc} = []\nfor row in {a}:\n    {acc}.append([sum(p * q for p, q in zip(row, col)) for col in zip(*{b})])\nreturn {acc}"),
    ("identity({n})", "Return the identity matrix of size {n}.", "return [[1 if r == c else 0 for c in range({n})] for r in range({n})]"),
    ("dot({a}, {b})", "Return the dot product.", "return sum(p * q for p, q in zip({a}, {b}))"),
    ("power(base, exponent)", "Raise base to a whole exponent.", "{acc} = 1\nwhile exponent > 0:\n    if exponent % 2 == 1:\n        {acc} *= base\n    base *= base\n    exponent //= 2\nreturn {acc}"),
    ("sieve(limit)", "Return all primes below limit.", "prime = [True] * limit\nfor p in range(2, limit):\n    if prime[p]:\n        for multiple in range(p * p, limit, p):\n            prime[multiple] = False\nreturn [p for p in range(2, limit) if prime[p]]"),
    ("prime_factors({n})", "Return the prime factors of {n}.", "{acc} = []\ndivisor = 2\nwhile {n} > 1:\n    while {n} % divisor == 0:\n        {acc}.append(divisor)\n        {n} //= divisor\n    divisor += 1\nreturn {acc}"),
    ("divisors({n})", "Return all divisors of {n}.", "return [d for d in range(1, {n} + 1) if {n} % d == 0]"),
    ("digits_sum({n})", "Return the sum of the digits of {n}.", "{acc} = 0\nwhile {n} > 0:\n    {acc} += {n} % 10\n    {n} //= 10\nreturn {acc}"),
    ("collatz({n})", "Return the Collatz sequence from {n}.", "steps = [{n}]\nwhile {n} != 1:\n    {n} = {n} // 2 if {n} % 2 == 0 else 3 * {n} + 1\n    steps.append({n})\nreturn steps"),
    ("to_binary({n})", "Return {n} in binary.", "if {n} == 0:\n    return '0'\nbits = ''\nwhile {n} > 0:\n    bits = str({n} % 2) + bits\n    {n} //= 2\nreturn bits"),
    ("from_binary({s})", "Read a binary number.", "{acc} = 0\nfor bit in {s}:\n    {acc} = {acc} * 2 + int(bit)\nreturn {acc}"),
    ("fizzbuzz({n})", "Return the FizzBuzz words up to {n}.", "{acc} = []\nfor {i} in range(1, {n} + 1):\n    if {i} % 15 == 0:\n        {acc}.append('FizzBuzz')\n    elif {i} % 3 == 0:\n        {acc}.append('Fizz')\n    elif {i} % 5 == 0:\n        {acc}.append('Buzz')\n    else:\n        {acc}.append(str({i}))\nreturn {acc}"),
    ("bfs({g}, start)", "Return the nodes in breadth-first order.", "seen = [start]\nqueue = [start]\nwhile queue:\n    node = queue.pop(0)\n    for other in {g}[node]:\n        if other not in seen:\n            seen.append(other)\n            queue.append(other)\nreturn seen"),
    ("dfs({g}, node, seen=None)", "Return the nodes in depth-first order.", "if seen is None:\n    seen = []\nseen.append(node)\nfor other in {g}[node]:\n    if other not in seen:\n        dfs({g}, other, seen)\nreturn seen"),
    ("dijkstra({g}, start)", "Return the shortest distance to every node.", "distance = {{start: 0}}\nheap = [(0, start)]\nwhile heap:\n    d, node = heapq.heappop(heap)\n    if d > distance[node]:\n        continue\n    for other, weight in {g}[node].items():\n        if d + weight < distance.get(other, float('inf')):\n            distance[other] = d + weight\n            heapq.heappush(heap, (d + weight, other))\nreturn distance"),
    ("topological_order({g})", "Return the nodes so that every edge points forward.", "order = []\nseen = set()\n\ndef visit(node):\n    if node in seen:\n        return\n    seen.add(node)\n    for other in {g}.get(node, ()):\n        visit(other)\n    order.append(node)\n\nfor node in {g}:\n    visit(node)\nreturn order[::-1]"),
    ("edit_distance({a}, {b})", "Return the Levenshtein distance.", "previous = list(range(len({b}) + 1))\nfor i, p in enumerate({a}, 1):\n    current = [i]\n    for j, q in enumerate({b}, 1):\n        cost = 0 if p == q else 1\n        current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost))\n    previous = current\nreturn previous[-1]"),
    ("longest_common_prefix({seq})", "Return the longest prefix shared by all.", "if not {seq}:\n    return ''\nprefix = {seq}[0]\nfor {x} in {seq}[1:]:\n    while not {x}.startswith(prefix):\n        prefix = prefix[:-1]\nreturn prefix"),
    ("two_sum({seq}, {t})", "Return the indices of two numbers that add up to {t}.", "seen = {{}}\nfor {i}, {x} in enumerate({seq}):\n    if {t} - {x} in seen:\n        return seen[{t} - {x}], {i}\n    seen[{x}] = {i}\nreturn None"),
    ("rotate({seq}, k)", "Rotate {seq} to the right by k.", "k %= len({seq})\nreturn {seq}[-k:] + {seq}[:-k]"),
    ("max_subarray({seq})", "Return the largest sum of a run of {seq}.", "best = current = {seq}[0]\nfor {x} in {seq}[1:]:\n    current = max({x}, current + {x})\n    best = max(best, current)\nreturn best"),
    ("is_balanced({s})", "Return True if the brackets of {s} match.", "pairs = {{')': '(', ']': '[', '}}': '{{'}}\nstack = []\nfor c in {s}:\n    if c in '([{{':\n        stack.append(c)\n    elif c in pairs:\n        if not stack or stack.pop() != pairs[c]:\n            return False\nreturn not stack"),
    ("permutations({seq})", "Return all orders of {seq}.", "if len({seq}) <= 1:\n    return [{seq}]\n{acc} = []\nfor {i}, {x} in enumerate({seq}):\n    for rest in permutations({seq}[:{i}] + {seq}[{i} + 1:]):\n        {acc}.append([{x}] + rest)\nreturn {acc}"),
    ("subsets({seq})", "Return all subsets of {seq}.", "{acc} = [[]]\nfor {x} in {seq}:\n    {acc} += [subset + [{x}] for subset in {acc}]\nreturn {acc}"),
    ("cumulative_sum({seq})", "Return the running sums of {seq}.", "{acc} = []\ntotal_so_far = 0\nfor {x} in {seq}:\n    total_so_far += {x}\n    {acc}.append(total_so_far)\nreturn {acc}"),
    ("invert({d})", "Swap the keys and values of {d}.", "return {{value: key for key, value in {d}.items()}}"),
    ("group_by({seq}, key)", "Group {seq} by a key function.", "{d} = {{}}\nfor {x} in {seq}:\n    {d}.setdefault(key({x}), []).append({x})\nreturn {d}"),
    ("clamp({x}, low, high)", "Keep {x} between low and high.", "return max(low, min({x}, high))"),
    ("celsius_to_fahrenheit(celsius)", "Convert Celsius to Fahrenheit.", "return celsius * 9 / 5 + 32"),
    ("circle_area(radius)", "Return the area of a circle.", "return math.pi * radius ** 2"),
    ("distance(x1, y1, x2, y2)", "Return the distance between two points.", "return math.sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2)"),
    ("is_leap_year(year)", "Return True if year is a leap year.", "return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)"),
    ("read_lines(path)", "Return the lines of a file.", "with open(path) as f:\n    return [line.rstrip('\\n') for line in f]"),
    ("count_lines(path)", "Count the lines of a file.", "with open(path) as f:\n    return sum(1 for _ in f)"),
    ("load_json(path)", "Read a JSON file.", "with open(path) as f:\n    return json.load(f)"),
    ("save_json(path, {x})", "Write a value to a JSON file.", "with open(path, 'w') as f:\n    json.dump({x}, f, indent=2)"),
    ("memoize(function)", "Remember the results of a function.", "cache = {{}}\n\ndef wrapper(*args):\n    if args not in cache:\n        cache[args] = function(*args)\n    return cache[args]\n\nreturn wrapper"),
    ("square_root({n})", "Return the whole square root of {n}.", "low, high = 0, {n}\nwhile low < high:\n    middle = (low + high + 1) // 2\n    if middle * middle <= {n}:\n        low = middle\n    else:\n        high = middle - 1\nreturn low"),
]
IMPORTS = {"math.": "import math", "heapq.": "import heapq", "json.": "import json"}


def indent(text):
    return "".join("    " + line + "\n" if line else "\n" for line in text.split("\n"))


def render(rng, exercise):
    """One function as source text, with names and style drawn."""
    words, drawn = {}, set()
    for slot, choices in NAMES.items():
        free = [c for c in choices if c not in drawn] or [slot]
        words[slot] = rng.choice(free)
        drawn.add(words[slot])
    head, doc, body = (part.format(**words) for part in exercise)
    text = f"def {head}:\n"
    if rng.random() < 0.7:
        text += f'    """{doc}"""\n'
    return text + indent(body)


def document(rng):
    """A file of a few functions."""
    chosen = [e for e in rng.sample(EXERCISES, rng.randint(3, 8)) if e[0].split("(")[0] not in HELD_OUT]
    body = "\n\n".join(render(rng, e) for e in chosen)
    imports = sorted(line for used, line in IMPORTS.items() if used in body)
    return "\n".join(imports) + "\n\n\n" * bool(imports) + body


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--documents", type=int, default=1200)
    args = parser.parse_args()
    rng = random.Random(0)
    with open(args.out, "w") as out:
        for n in range(args.documents):
            text = document(rng)
            compile(text, "exercise", "exec")
            out.write(json.dumps({"source": "exercises", "path": f"{n}.py", "text": text}) + "\n")


if __name__ == "__main__":
    main()
