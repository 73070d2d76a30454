# Files appear whole; a full disk and a closed stdout are noticed; a closed pipe is not an error.
bench() { r1-bench -q -m $TINY_MODEL --prompt-tokens 4,5 -n 0 --min-time 0s --repeat 1 "$@"; }
bench --jsonl -o out.jsonl; echo $? $(wc -l <out.jsonl); ls
bench --jsonl -o out.jsonl; echo $?
bench --json -f -o out.jsonl; echo $? $(jq length out.jsonl)
bench >/dev/full; echo $?
bench >&-; echo $?
bench --plot /dev/full >/dev/null; echo $?
bench --jsonl | head -1 | jq -r .id
printf 'a\nb\n' | while read -r f; do bench >/dev/null; echo $f; done
