printf 'def f(x):\n    <CURSOR>\n' >f
r1-complete --filter --cursor '<CURSOR>' -n 4 <f >done; echo $?
head -1 done
# On any failure the text stays as it was, nothing is said, and the status says so.
r1-complete --filter --cursor '<CURSOR>' -m no/such <f | cmp - f; echo "${PIPESTATUS[0]}"
printf 'no mark\n' | r1-complete --filter --cursor '<CURSOR>'; echo $?
head -c 2000 /dev/zero | tr '\0' x >long
r1-complete --filter --chat -n 2 <long | cmp - long; echo "${PIPESTATUS[0]}"
r1-complete --filter --summary <f | cmp - f; echo "${PIPESTATUS[0]}"
