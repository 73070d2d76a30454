r1-complete -n 2 -p x -o no/such/file
