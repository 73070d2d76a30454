printf a >a; printf c >c
r1-complete --json -n 2 a missing c | jq -c '[.index, .id, .status, .error.code]'
echo "${PIPESTATUS[0]}"
r1-complete --json -n 2 a "$(printf '%0300d' 0)" c | jq -c .status
