printf x >-n; r1-complete --json -n 1 -- -n | jq -c .id
