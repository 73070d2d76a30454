# What failed in a run is taken again: its files, or its requests among all of them.
printf a >a; printf c >c
r1-complete --json -n 2 -w a b c >run 2>/dev/null; echo $?
printf b >b; printf old >b.txt
r1-complete --json -n 2 -w --only-failed run | jq -c '[.index, .id, .status]'; cmp b.txt <(r1-complete -n 2 b) && echo made
for i in 1 2 3; do printf '{"prompt":"f%d","max_tokens":%d}\n' $i $((2 - i)); done >requests
r1-complete --jsonl requests >run 2>/dev/null; jq -c '[.id, .status]' run
sed -i 's/-1/3/' requests
r1-complete --jsonl --only-failed run requests | jq -c '[.index, .id, .status]'
r1-complete --json --only-failed none a; echo $?
# What the run before stored for another input stays.
printf d >d.py; printf e >d.pyi; r1-complete --json -n 2 -w d.py d.pyi >run 2>/dev/null; cp d.txt before
r1-complete --json -n 2 -w --only-failed run | jq -c '[.id, .status, .error.message]'; cmp d.txt before && echo kept
