# A text longer than the model takes is cut far from the caret, where that is asked for.
for i in $(seq 300); do printf 'x = x + %d\n' $i; done >long
(cat long; printf '<CURSOR>'; cat long) >marked
r1-complete --filter --cursor '<CURSOR>' -n 4 <marked >done; echo $?
cmp -s done marked || echo completed
cmp <(head -c "$(wc -c <long)" done) long && cmp <(tail -c "$(wc -c <long)" done) long && echo nothing else
r1-complete -n 2 long >/dev/null; echo $?
r1-complete -n 2 --fit --json long | jq -c '[.status, .warnings]'
r1-complete -n 2 --fit long | cmp - <(r1-complete -n 2 --fit --json long | jq -j .output.text) && echo the same
