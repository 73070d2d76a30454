# No output replaces what the tool reads, whatever -f says: the model, under any name or in a folder; what is compared; a log is written behind logs alone.
cp "$TINY_MODEL" m.gguf; ln -s m.gguf link; mkdir folder; cp m.gguf folder/model.gguf; before=$(sha256sum m.gguf)
try() { "$@" </dev/null; echo $?; }
try r1-complete -m m.gguf -f -o m.gguf -p x
try r1-complete -m m.gguf -f -o link -p x --dry-run
try r1-complete -m ./folder -f -o folder/model.gguf -p x --json
try r1-complete -m m.gguf --log-file m.gguf -p x
try r1-bench -m m.gguf -f -o m.gguf
try r1-bench -m m.gguf -f --plot link
try r1-bench -m m.gguf --log-file m.gguf
try r1-bench --serve -m m.gguf -f -o m.gguf
echo '{}' >a; echo '{}' >b; echo 12 >lengths
try r1-bench --compare a b -f -o a
try r1-bench --serve --lengths lengths -f -o lengths -m m.gguf
[ "$before" = "$(sha256sum m.gguf)" ] && cmp m.gguf folder/model.gguf && cat a lengths
