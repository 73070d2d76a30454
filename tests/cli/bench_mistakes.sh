# Each mistake is one line, before anything is measured.
try() { "$@"; echo "$?: $*"; }
cp $TINY_MODEL m.gguf; echo hello >text; printf '[r1-bench]\nrepeat = many\n' >c.toml; : >there
try r1-bench model.gguf
try r1-bench -m none.gguf
try r1-bench -m m.gguf -m none.gguf
try r1-bench -m text
try r1-bench --promt-tokens 5
try r1-bench --repeat 0
try r1-bench --repeat 0x5
try r1-bench --min-time 5
try r1-bench -n 5-3 -m m.gguf
try r1-bench --batch-size 0 -m m.gguf
try r1-bench --prompt-tokens 0 -n 0 -m m.gguf
try r1-bench --ops nothing
try r1-bench --ops '*' -m m.gguf
try r1-bench --serve --hardware
try r1-bench --compare text
try r1-bench --compare text text
try r1-bench --compare none text
try r1-bench --compare text text --format benchstat
try r1-bench --fail-if-slower 5%
try r1-bench --compare text text --fail-if-slower 5
try r1-bench --price 3 -m m.gguf
try r1-bench --json --jsonl
try r1-bench --format xml
try r1-bench -o there -m m.gguf
try r1-bench -o . -m m.gguf
try r1-bench --plot there -m m.gguf
try r1-bench --config c.toml
try r1-bench --serve --prompt-tokens 1,2
try r1-bench --serve --lengths text
try r1-bench --device cuda
try r1-bench --gpu-memory 101%
try r1-bench --ops ''
try r1-bench --requests 3 -m m.gguf
try r1-bench --price '$2/h' -m m.gguf
# What would change nothing, and what has no value, is refused too.
try r1-bench -m m.gguf --rate 5
try r1-bench --quality text --repeat 9
try r1-bench --serve --depth 64
try r1-bench --serve --lengths text --spread 1
try r1-bench --ops '*' --dtype f32
try r1-bench --ops '*' --price 1/h
try r1-bench --hardware --price 1/h
try r1-bench --compare text text --device ref
try r1-bench --adapter none
try r1-bench --compare text text --fail-if-slower ''
try r1-bench --quality text --base ''
try r1-bench -m m.gguf --plot ''
try r1-bench -m m.gguf -o ''
try r1-bench -m m.gguf --prompt-tokens 1-999 -n 1-999 --depth 0-998 --batch-size 1-999
try r1-bench -m m.gguf --delay 100000000h
