# No file gets the number of a stream that is closed, and with it what was meant for that; a closed one is as good as none.
cp $TINY_MODEL m.gguf; r1-quantize -q m.gguf --type q8_0 -o whole.gguf >/dev/null
r1-quantize -v m.gguf --type q8_0 -o a.gguf 2>&- >/dev/null; echo $?; cmp a.gguf whole.gguf && echo same
r1-quantize -v m.gguf --type q8_0 -o b.gguf <&- >&-; echo $?; cmp b.gguf whole.gguf && echo same
r1-complete -v -n 4 -p x --json -o c <&- >&- 2>&-; echo $?; jq -r .status c
r1-complete -n 4 <&-; echo $?
