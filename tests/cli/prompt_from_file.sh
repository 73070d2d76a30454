printf 'def f(x):' >f; printf '@literal' >g
[ "$(r1-complete -n 6 -p @f)" = "$(r1-complete -n 6 f)" ] && echo same
[ "$(r1-complete -n 6 -p @@literal)" = "$(r1-complete -n 6 g)" ] && echo same
