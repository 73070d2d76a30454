r1-complete --deterministic --time-limit 1s -p x; r1-complete --cursor x --suffix y -p x; r1-complete -N 2 -p x
r1-complete --jsonl -p x; r1-complete --json --echo -p x
