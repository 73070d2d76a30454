: | r1-complete -n 4 | wc -c
