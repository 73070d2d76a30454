# A plan that does not fit is one line before anything is loaded; one that fits changes no answer.
r1-complete --max-memory 10M -n 2 -p x; echo $?
[ "$(r1-complete --max-memory 100M -n 9 -p abc)" = "$(r1-complete -n 9 -p abc)" ] && echo same
