mkdir d; r1-complete --json d | jq -c '[.status, .error.code]'
