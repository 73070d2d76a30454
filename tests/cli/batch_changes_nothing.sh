# One at a time, eight at once, in another order and with two threads: the same records.
for i in 1 2 3 4 5 6 7 8; do printf '{"id":"%d","prompt":"def f%d(x):","n":1,"logprobs":2}\n' $i $i; done >r
digest() { jq -cS '[.id, .output]' | sort | sha256sum; }
a=$(r1-complete --jsonl -n 12 --batch-size 1 <r | digest)
b=$(r1-complete --jsonl -n 12 --batch-size 8 <r | digest)
c=$(tac r | r1-complete --jsonl -n 12 --batch-size 3 -t 2 --unordered | digest)
[ "$a" = "$b" ] && [ "$b" = "$c" ] && echo same
