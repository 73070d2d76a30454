r1-complete -n 2 -p x >&-
