yes '{"prompt":"x"}' | head -1000 | r1-complete --jsonl -n 1 | head -1 | jq -c .index
echo "${PIPESTATUS[2]}"
