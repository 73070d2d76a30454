# One that takes too long is an error in its place; the others are answered.
head -c 200 /dev/zero | tr '\0' x >long
printf '{"id":"a","prompt":"x","max_tokens":1}\n' >r
r1-complete --json --timeout 1ms -N 200 -n 60 long | jq -c '[.status, .error.code, .error.retryable]'; echo "${PIPESTATUS[0]}"
r1-complete --jsonl --timeout 1h r | jq -c .status
