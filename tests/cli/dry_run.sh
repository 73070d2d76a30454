# What would be read and written, and the status of the run; nothing is written.
mkdir d; printf abc >d/a; printf abcd >b; cp b c; echo old >d/a.txt
bytes() { sed "s|$PWD/||g; s|\t[^\t]*tiny[^\t]*|\tTINY|g; s|^memory.*|memory|"; }
r1-complete --dry-run -w d/a b c none | bytes; echo "${PIPESTATUS[0]}"; ls
r1-complete --dry-run --json -O out d/a b | jq -c '.schema, (.memory | .weights + .cache + .work == .total), .items[]'; ls
r1-complete --dry-run <b | tail -1; r1-complete --dry-run -p x | tail -1
printf '{"id":"q","prompt":"x"}\nbad\n' >r; r1-complete --dry-run --jsonl r -o f | tail -2
r1-complete --dry-run -m no/such -p x 2>err; echo $?; r1-complete --dry-run --max-memory 1M -p x; echo $?
