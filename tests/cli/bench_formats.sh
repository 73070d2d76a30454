# One test in every form; figures are replaced.
bench() { r1-bench -q -m $TINY_MODEL --prompt-tokens 4 -n 0 --min-time 0s --repeat 2 "$@"; }
bench | tr -s ' ' | sed 's/[0-9.]* [nµm]*s .*/FIGURES/'
bench --format md | sed 's/| [0-9.]* [nµm]*s |.*/| FIGURES/'
bench --json | jq -c 'map(.id)'
bench --format csv | cut -d, -f1-4
bench --format csv | python3 -c 'import csv,sys; rows = list(csv.DictReader(sys.stdin)); print(len(rows), rows[0]["id"], float(rows[0]["median"]) > 0)'
bench --format sql | python3 -c 'import sqlite3,sys; db = sqlite3.connect(":memory:"); db.executescript(sys.stdin.read())
print(db.execute("""SELECT "id", "status", "model_quant", "median" > 0, "gpu" FROM r1_bench""").fetchall())'
bench --format benchstat | sed 's/^cpu: .*/cpu: NAME/; s/ [0-9][0-9. ]* ns.*/ FIGURES/'
