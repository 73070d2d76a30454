mkdir d; printf 'def ' >d/x.py; printf 'x = ' >d/y.py
r1-complete -n 4 -w d/x.py d/none.py d/y.py; echo $?; ls d
r1-complete -n 4 d/y.py | cmp - d/y.txt && echo same
r1-complete --json -n 4 -w --sidecar-ext .md -o records d/x.py; jq -c .status records; ls d
# The result of an input never replaces the input.
r1-complete -n 4 -w -f --sidecar-ext py d/x.py; echo $?; cat d/x.py; echo
for wrong in '-O res' '-o one' '--jsonl' '--filter' '--sidecar-ext a/b' '--if-exists skip -f'; do r1-complete -w $wrong d/x.py; echo $?; done
