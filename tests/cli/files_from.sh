printf a >a; printf b >'b c'
printf 'a\n\nb c\n' | r1-complete --json -n 1 --files-from - | jq -c '[.index, .id, .status]'
printf 'a\0b c\0' >list; r1-complete --json -n 1 --files-from list -0 | jq -c '[.index, .id, .status]'
