r1-complete -n 4 -p abc -o out.txt && r1-complete -n 4 -p abc | cmp - out.txt && echo same
r1-complete -n 4 -p abc -o out.txt; echo $?
r1-complete -n 4 -p abd -f -o out.txt; echo $?
printf '{"prompt":"x"}\n' | r1-complete --jsonl -n 1 -o records.jsonl && jq -c .status records.jsonl
ls -A
