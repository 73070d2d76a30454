r1-complete --jsonl <<'X' | jq -c '[.status, .usage.completion_tokens, .warnings]'
{"input_prefix":"def f(","input_suffix":"):\n","input_extra":[{"filename":"a.py","text":"x=1"}],"n_predict":3,"t_max_predict_ms":60000}
X
echo '{"input_prefix":"x","n_predict":-1}' | r1-complete --jsonl 2>/dev/null | jq -r .error.message
