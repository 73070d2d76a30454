# One bad request among three: its error stands in its place, the others are answered, the status says so.
printf '{"id":"a","prompt":"x"}\n{"id":"b"\n{"id":"c","prompt":"y"}\n' >r
r1-complete --jsonl -n 2 r | jq -c '[.index, .id, .status, .error.code]'; echo "${PIPESTATUS[0]}"
r1-complete --jsonl -n 2 --unordered r | jq -c .index | sort
r1-complete --jsonl -n 2 --fail-fast r | jq -c .status
