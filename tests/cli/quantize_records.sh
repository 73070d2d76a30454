# With --json a run that fails is a record as well, but for a command line that is none; the message and the status are the same.
cp $TINY_MODEL m.gguf; head -c 20000 m.gguf >cut.gguf; r1-quantize -q m.gguf --type q8_0 -o small.gguf >/dev/null
r1-quantize m.gguf --type q8_0 --json -o a.gguf | jq -c 'keys_unsorted, (.input, .output | keys_unsorted), .index, .error'
for model in none/such cut.gguf small.gguf; do r1-quantize $model --type q4_0 --json -o x.gguf; echo $?; done
r1-quantize m.gguf --type q8_0 --json -o small.gguf; echo $?
(trap '' XFSZ; ulimit -f 20; r1-quantize m.gguf --type q8_0 --json -o x.gguf | cat; echo ${PIPESTATUS[0]})
r1-quantize none/such --type q4_0 --json -o x.gguf >/dev/full; echo $?
r1-quantize m.gguf --type q9 --json -o x.gguf; echo $?
r1-quantize m.gguf --json -o x.gguf; echo $?
r1-quantize none/such --type q4_0 -o x.gguf; echo $?
