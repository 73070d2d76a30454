head -c 2000 /dev/zero | tr '\0' x >long
r1-complete -n 4 long; echo $?
r1-complete --jsonl -n 2 <<X | jq -c '[.id, .status, .error.code]'
{"id":"a","prompt":"x"}
{"id":"long","prompt":"$(cat long)"}
{"id":"b","prompt":"y"}
X
