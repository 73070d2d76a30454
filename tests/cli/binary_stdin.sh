head -c 64 /dev/zero | tr '\0' '\377' | r1-complete --json -n 4 | jq -c '.status, .usage.prompt_tokens'
