r1-complete -n 010x -p x
