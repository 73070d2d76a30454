# The completion and nothing else: as many bytes on stdout as in the record.
n=$(r1-complete -n 7 -p 'abc' | wc -c)
m=$(r1-complete --json -n 7 -p 'abc' | jq -j .output.text | wc -c)
[ "$n" = "$m" ] && echo same
