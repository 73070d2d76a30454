r1-complete -m ./none.gguf -p x
