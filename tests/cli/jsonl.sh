r1-complete --device ref --jsonl -n 4 --summary <<'X' | jq -c 'if .model then .model.name = "TINY" else . end'
{"id":"a","prompt":"def "}
{"id":7,"prefix":"x = ","suffix":"\n","max_tokens":2}
{"prompt":"y","stop":["a","b"],"temperature":0.5,"seed":3}
X
