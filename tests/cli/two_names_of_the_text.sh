# prompt and prefix are two names of one thing: the first counts, and the record says so. A fraction is no number of tokens.
printf '%s\n' '{"prompt":"abc","prefix":"xyz","max_tokens":0}' '{"prompt":"abc","max_tokens":1.5}' | r1-complete --jsonl | jq -c '[.input.digest, .warnings, .error.message]'
printf '%s\n' '{"prompt":"abc","max_tokens":0}' | r1-complete --jsonl | jq -c '[.input.digest]'
