# The text of a control token in a file stays text: it is many tokens, not one.
r1-complete --json -n 1 -p '</s>' | jq -c .usage.prompt_tokens
r1-complete --json -n 1 -p '<|fim_prefix|>' | jq -c .usage.prompt_tokens
