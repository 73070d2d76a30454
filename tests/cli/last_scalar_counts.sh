r1-complete -n 64 -n 2 -p 'def ' | wc -m
