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
# Nothing that is read is replaced, and no result by another.
bench --jsonl -o p.svg --plot ./p.svg; echo $?
bench --jsonl -o run.jsonl --plot run.jsonl.partial; echo $?
bench --plot none/p.svg; echo $?
cp out.jsonl old; cp out.jsonl run.jsonl.partial
r1-bench -q --compare run.jsonl.partial old --jsonl -o run.jsonl -f; echo $?
: >conf.toml; bench --config conf.toml --jsonl -o conf.toml -f; echo $?
mkdir ad; : >ad/adapter_model.safetensors
bench --adapter ad --jsonl -o ad/adapter_model.safetensors -f; echo $?
ln -s nowhere link; bench --json -o link; echo $?
bench --plot /dev/stdout; echo $?
# What stderr leads to is written to, and not replaced.
bench --format md -o /dev/stderr 2>messages; echo $?; wc -l <messages; [ -L /dev/stderr ] && echo there
# A run that did not begin leaves nothing in the way of the next.
echo GGUF >bad.gguf; r1-bench -m ./bad.gguf --jsonl -o m.jsonl 2>&1 | wc -l
bench --jsonl -o m.jsonl; echo $?
# What a link leads to is replaced, not the link.
echo old >real; ln -s real to_real; bench --json -o to_real 2>&1 | grep -c 'real exists'
bench --json -f -o to_real; echo $?; [ -L to_real ] && jq length real
