# -p follows what stdin and files hold, and then stdin is read.
a=$(printf 'def ' | r1-complete -n 6 -p 'f(x):' -)
b=$(r1-complete -n 6 -p 'def f(x):')
[ "$a" = "$b" ] && echo same
