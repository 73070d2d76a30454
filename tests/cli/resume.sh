# Broken off after two of four records, one of them cut; the rest is made, and the file is as if in one go.
for i in 1 2 3 4; do printf '{"id":"%d","prompt":"def f%d"}\n' $i $i; done >requests
sed -i '3s/"prompt"/"prompt":5,"was"/' requests
r1-complete --jsonl -n 4 --temperature 1 -o whole requests; echo $?
head -3 whole >out.partial; sed -n 4p whole | head -c 100 >>out.partial
r1-complete --jsonl -n 4 --temperature 1 -o out requests; echo $?
r1-complete --jsonl -n 4 --temperature 1 -o out --resume requests; echo $?
cmp out whole && ls
# What is there is kept, what failed is made again, also in another order; another recipe is refused.
sed -i '3s/5,"was"/"x","was"/' requests; tac requests >back
r1-complete --jsonl -n 4 --temperature 1 -o out --resume --summary back; echo $?
jq -c '[.index, .id, .status, .ok]' out
diff <(jq -cS 'select(.id) | [.id, .output]' out | sort) <(r1-complete --jsonl -n 4 --temperature 1 <requests | jq -cS '[.id, .output]' | sort) && echo alike
r1-complete --jsonl -n 5 --temperature 1 -o out --resume requests; echo $?
echo 'not json' >>out; r1-complete --jsonl -n 4 --temperature 1 -o out --resume requests; echo $?
for wrong in '' '-o -' '-o x -f' ; do r1-complete --jsonl --resume $wrong requests; echo $?; done
# Broken off again, nothing that was kept is lost.
mkfifo p; head -1 whole >again.partial; r1-complete --jsonl -n 4 --temperature 1 -o again --resume <p & pid=$!
exec 3>p; sed -n 2p requests >&3
until [ "$(wc -l <again.partial)" = 2 ]; do sleep 0.05; done
kill -TERM $pid; wait $pid; echo $?; jq -c .id again.partial
