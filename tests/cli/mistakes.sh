# Each mistake is one line that says what is wrong, in the words of the one who made it.
try() { "$@"; echo "$?: $*"; }
echo hello >text; : >empty.gguf; mkdir folder
try r1-complete -m text -p x
try r1-complete -m folder -p x
try r1-complete -m . -p x
try r1-complete -m ./folder -p x
ln -s "$TINY_MODEL" folder/a.gguf; try r1-complete -m ./folder -p x -n 1 >/dev/null && echo "the one model of a folder"
ln -s "$TINY_MODEL" folder/b.gguf; try r1-complete -m ./folder -p x
try r1-complete -m empty.gguf -p x
try r1-complete --files-from none
try r1-complete --only-failed none
try r1-complete --only-failed text
try r1-complete --extra none -p x
try r1-complete --max-memory 10Q -p x
try r1-complete --max-memory 10 -p x
try r1-complete --timeout 1us -p x
try r1-complete -n -1 -p x
try r1-complete -O d -p x
try r1-complete --timing -p x
try r1-complete --logprobs 2 -p x
try r1-complete --promt x
try r1-complete --nonsense x
cp -r "${0%/*}/../models/tiny/llama" llama; : >llama/other.safetensors; try r1-complete -m ./llama/other.safetensors -p x
