# A loop sees every line of its list, whatever names the input of the tool.
for f in a b c; do printf '%s' $f >$f; done; printf 'b\n' >list
printf 'a\nb\nc\n' | while read -r f; do r1-complete -n 1 "$f" >/dev/null; echo "$f"; done
printf 'a\nb\nc\n' | while read -r f; do r1-complete -n 1 --prefix-file "$f" >/dev/null; echo "$f"; done
printf 'a\nb\nc\n' | while read -r f; do r1-complete --json -n 1 --files-from list >/dev/null; echo "$f"; done
