printf x >"$(printf 'new\nline')"; printf x >"$(printf '\377')"; printf x >-dash
r1-complete --json -n 1 -- "$(printf 'new\nline')" "$(printf '\377')" -dash - </dev/null | jq -c '[.id, .input.path]'
r1-complete -n 1 "$(printf 'none\n')"
