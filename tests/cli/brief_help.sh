r1-complete -h
