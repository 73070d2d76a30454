# A backslash and an n in a source file are two characters, and a tab is a tab.
printf 'print("a\\nb\\t")\t#' >f
r1-complete --json -n 1 f | jq -c '.input.bytes, .usage.prompt_tokens'
