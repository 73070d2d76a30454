r1-complete --jsonl <<'X' | jq -c '[.status, .usage.completion_tokens, .warnings]'
{"input_prefix":"def f(","input_suffix":"):\n","input_extra":[{"filename":"a.py","text":"x=1"}],"n_predict":3,"t_max_predict_ms":60000}
X
