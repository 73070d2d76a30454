head -c 2000 /dev/zero | tr '\0' x >long
r1-complete -n 4 long; echo $?
r1-complete --jsonl -n 2 <<X | jq -c '[.id, .status, .error.code]'
{"id":"a","prompt":"x"}
{"id":"long","prompt":"$(cat long)"}
{"id":"b","prompt":"y"}
X
# One that can never fit is refused, or cut, before it is taken apart: a big file takes no memory to speak of.
head -c 20000000 /dev/zero | tr '\0' y >huge
timeout 20 r1-complete -n 4 huge; echo $?; timeout 20 r1-complete -q -n 4 --fit huge >cut; echo $?
