# Cut anywhere, a model is one line and status 3: never a signal, never a wait.
size=$(stat -c %s "$TINY_MODEL")
for n in 0 3 4 8 23 24 100 1000 5000 $((size / 2)) $((size - 1)); do
  head -c $n "$TINY_MODEL" >cut.gguf
  r1-complete -m ./cut.gguf -p x 2>err; echo "$? $(wc -l <err)"
done
