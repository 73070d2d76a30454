a=$(r1-complete -n 5 -p abc); b=$(r1-complete -qq -n 5 -p abc); [ -n "$b" ] && [ "$a" = "$b" ] && echo same
