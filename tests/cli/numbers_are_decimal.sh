for n in 0x10 -1 nan inf 1e3 99999999999999999999 ''; do r1-complete -n "$n" -p x; echo "$n: $?"; done
r1-complete --temperature nan -p x; echo $?
r1-complete --time-limit 5 -p x; echo $?
