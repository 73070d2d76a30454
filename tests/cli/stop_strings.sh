# The answer ends before the stop string, which is not printed.
whole=$(r1-complete -n 20 -p 'def f(x):')
part=$(r1-complete -n 20 --stop $'\a' -p 'def f(x):')
[ "$part" = "${whole%%$'\a'*}" ] && [ "$part" != "$whole" ] && echo cut
r1-complete --json -n 20 --stop $'\a' -p 'def f(x):' | jq -c .output.finish_reason
