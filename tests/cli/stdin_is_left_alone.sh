# The loop sees every line: a tool with an operand or -p must not open stdin.
printf 'a\nb\nc\n' | while read -r line; do r1-complete -n 1 -p "$line" >/dev/null; echo "$line"; done
