# llama.vim: input_prefix ends before the line of the caret, and prompt is what that line begins with.
ask() { r1-complete --jsonl "$@" | jq -c '[.status, .usage.prompt_tokens, .params.determinism, .warnings, .error.message]'; }
ask <<'E'
{"prompt":"abcdef","max_tokens":2}
{"input_prefix":"abc","prompt":"def","max_tokens":2}
{"prefix":"ab","input_prefix":"abcdef","max_tokens":2}
{"prompt":null,"prefix":"abcdef","max_tokens":2}
{"prompt":"abcdef","max_tokens":2,"time_limit_ms":60000}
E
ask --deterministic <<<'{"prompt":"abcdef","max_tokens":2,"time_limit_ms":60000}'
# What a run that ends early has not asked for is kept, whatever its id.
good() { printf '{"id":"b","prompt":"%s","max_tokens":2}\n' "$1"; }
{ good two; good three; } >r.jsonl; r1-complete --jsonl -o o.jsonl r.jsonl
{ good two; echo bad; good three; } >r.jsonl; r1-complete --jsonl -o o.jsonl --resume --fail-fast r.jsonl; echo $?; jq -c '[.id, .status]' o.jsonl
