draw() { r1-complete --temperature 1 -n 12 -p abc "$@"; }
[ "$(draw -s 1)" = "$(draw -s 1)" ] && echo same
[ "$(draw -s 1)" != "$(draw -s 2)" ] && echo other
r1-complete --json -N 3 --temperature 1 -n 8 -p abc | jq -c '.output.answers | [length, (map(.text) | unique | length)]'
