r1-complete --openai-batch -n 3 <<'X' | jq -c '[.custom_id, .status, .response.status_code, .response.body.usage, .error.code]'
{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"model":"m","prompt":"def ","max_tokens":4}}
{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"hi"}]}}
{"custom_id":"c","method":"POST","url":"/v1/embeddings","body":{}}
X
