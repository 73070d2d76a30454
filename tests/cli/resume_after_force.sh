# A run with -f that was broken off is gone on with, whatever recipe the file it was to replace has.
for i in 1 2; do printf '{"id":"%d","prompt":"def f%d"}\n' $i $i; done >requests
r1-complete --jsonl -n 3 -o out requests; r1-complete --jsonl -n 4 -o want requests; cp out old
mkfifo p; r1-complete --jsonl -n 4 -o out -f <p & pid=$!
exec 3>p; head -1 requests >&3; until [ -s out.partial ]; do sleep 0.05; done
kill -KILL $pid; wait $pid 2>/dev/null; exec 3>&-
cmp out old; r1-complete -v --jsonl -n 4 -o out --resume requests 2>&1 | grep -o 'done, . of them kept'; cmp out want; ls
# What has another recipe than this run is not lost.
cp old out; cp want out.partial; r1-complete --jsonl -n 3 -o out --resume requests; echo $?; cmp out.partial want; cmp out old
# A run that was broken off before its first record has made nothing: the file's records are kept.
: >out.partial; r1-complete --jsonl -n 4 -o out --resume requests; echo $?; cmp out old
r1-complete -v --jsonl -n 3 -o out --resume requests 2>&1 | grep -o 'done, . of them kept'; cmp out old; ls
