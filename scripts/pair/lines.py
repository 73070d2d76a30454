"""Lines finished on packages that were not trained on, and single lines of HumanEval filled in and run."""
import gzip
import json
import keyword
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
import evaluate

NAME = re.compile(r"[A-Za-z_]\w{2,}")
DISTANCES = ("this line", "up to 10 lines", "farther", "not before")
SECONDS, MEMORY = 5, 1 << 30  # of one program


def distance(caret):
    """How far back the first name that the line still needs was last written; None where it needs none."""
    head = re.search(r"\w*$", caret["before"])[0]
    needed = next((m[0] for m in NAME.finditer(head + caret["line"]) if not keyword.iskeyword(m[0])), None)
    if needed is None:
        return None
    before = evaluate.tail(caret["before"][:len(caret["before"]) - len(head)], evaluate.BEFORE)
    places = [m.start() for m in re.finditer(rf"\b{needed}\b", before)]
    if not places:
        return "not before"
    lines = before.count("\n", places[-1])
    return "this line" if lines == 0 else "up to 10 lines" if lines <= 10 else "farther"


def answers(tool, model, carets, where):
    """What r1-complete writes at the carets, left to right; kept in a file."""
    if not where.exists():
        where.write_text(json.dumps(evaluate.complete(tool, model, [evaluate.left_to_right(c) for c in carets])))
    return json.loads(where.read_text())


def read_infilling(path):
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def limits():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def passes(task, line):
    """Does the program run its tests? In namespaces of its own without a network, in an empty folder, with limits."""
    program = f"{task['prompt']}{line}\n{task['suffix']}\n{task['test']}\ncheck({task['entry_point']})\n"
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "--map-root-user", "--net", "--pid", "--fork", sys.executable, "-I", "-c", program]
        try:
            done = subprocess.run(command, cwd=folder, preexec_fn=limits, timeout=2 * SECONDS, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin"})
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def infilling(tool, model, tasks, where):
    """Exact and passed, by task; kept in a file."""
    if not where.exists():
        lines = evaluate.complete(tool, model, [{"prompt": t["prompt"], "suffix": t["suffix"]} for t in tasks])
        assert all(passes(t, t["canonical_solution"].rstrip("\n")) for t in tasks[:20]), "the sandbox fails what is right"
        right = [line.strip() == t["canonical_solution"].strip() for line, t in zip(lines, tasks)]
        where.write_text(json.dumps([[exact, exact or passes(t, line)] for exact, line, t in zip(right, lines, tasks)]))
    return json.loads(where.read_text())
