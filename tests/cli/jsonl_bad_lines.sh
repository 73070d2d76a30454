r1-complete --jsonl -n 2 <<'X' | jq -c '[.index, .id, .status, .error.code, .warnings]'
{"id":"a","prompt":"x"}
not json

{"id":"b"}
{"id":"c","prompt":5}
{"id":"d","prompt":"x","max_tokens":-1}
{"id":"e","prompt":"x","colour":"red"}
{"id":"f","messages":[{"role":"user","content":"hi"}]}
{"id":"g","prompt":"x","id":"h"}
X
