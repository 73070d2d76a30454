# Records of two builds, told apart and held to a bound.
rec() { printf '{"schema":"r1.bench/1","id":"%s","model":{"name":"m.gguf"},"samples_ns":[%s]}\n' "$1" "$2"; }
{ rec tg128 100,101,102,103,104; rec pp512 10,11,12,13,14; rec gone 1; } >old
{ rec tg128 200,202,204,206,208; rec pp512 14,13,12,11,10; } >new
r1-bench --compare old new; echo $?
r1-bench --compare old new --fail-if-slower 40%; echo $?
r1-bench -q --compare old new --fail-if-slower 60% --jsonl; echo $?
r1-bench -q --compare new old --format csv --fail-if-slower 0%; echo $?
r1-bench -q --compare old new --format md -o report.md && tail -1 report.md
rec other 1 >other; r1-bench --compare old other; echo $?
# One document as well as lines, and from a pipe.
jq -s . new >new.json && r1-bench -q --compare - new.json --jsonl <old | jq -r .verdict
r1-bench --compare - - <old; echo $?
r1-bench -q --serve --price '' 2>/dev/null; echo $?
# What is no record, and what is not one test, is said of its line.
: >empty; r1-bench --compare empty new; echo $?
{ rec a 1 | sed 's/"samples/"test":{"dtype":"f32"},"samples/'; rec a 1 | sed 's/"samples/"test":{"dtype":"bf16"},"samples/'; } >two
r1-bench --compare two new; echo $?
