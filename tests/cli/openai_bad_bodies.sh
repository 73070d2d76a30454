# A body that cannot be answered is an error in its place; a key that means nothing here is named.
u=/v1/completions; c=/v1/chat/completions
r1-complete --openai-batch -n 2 <<X | jq -c '[.index, .custom_id, .status, .response.status_code, .error.code]'
{"custom_id":"no body","url":"$u"}
{"custom_id":"text","url":"$u","body":"x"}
{"custom_id":"list","url":"$u","body":{"prompt":["a","b"]}}
{"custom_id":"no prompt","url":"$u","body":{}}
{"custom_id":"messages","url":"$c","body":{"messages":"hi"}}
{"custom_id":"none","url":"$c","body":{"messages":[]}}
{"custom_id":"role","url":"$c","body":{"messages":[{"role":"robot","content":"hi"}]}}
{"custom_id":"n","url":"$u","body":{"prompt":"x","n":0}}
{"custom_id":"hot","url":"$u","body":{"prompt":"x","temperature":-1}}
{"custom_id":"no url","body":{"prompt":"x"}}
not json
{"custom_id":"good","url":"$u","body":{"prompt":"x","logit_bias":{},"stream":false}}
X
