# A word that the caret cuts is taken back and written again by the model; its beginning is not printed.
answer() { r1-complete --json -n 3 --logprobs 0 "$@" | jq -c '[.usage.prompt_tokens, .usage.completion_tokens, (.output.logprobs[0].text | startswith("re"))]'; }
answer -p 'x=re'; answer -p 'x=re' --suffix ')'; answer -p 'x=re' --no-heal
# The bytes of its tokens are the beginning and what is printed.
r1-complete --json -n 3 --logprobs 0 -p 'x=re' | jq -c '([.output.logprobs[].text] | add) == "re" + .output.text'
