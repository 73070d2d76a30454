# A line - of a list on standard input is an error of its own, and not the rest of the list; in a file it is standard input.
printf a >a; printf b >b; printf c >./-
for stored in '' '-w -f'; do
  printf 'a\n-\n./-\nb\n' | r1-complete --json -n 1 --files-from - $stored | jq -c '[.index, .id, .status, .error.code]'; echo "${PIPESTATUS[1]}"
done
printf 'a\n-\n' >list; echo text | r1-complete --json -n 1 --files-from list | jq -c '[.index, .id, .input.bytes]'
