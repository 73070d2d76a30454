# One request, its record, the next request: nothing waits for the end of the input.
coproc r1-complete --jsonl -n 1
for id in a b c; do
  printf '{"id":"%s","prompt":"x"}\n' $id >&"${COPROC[1]}"
  read -r -t 10 record <&"${COPROC[0]}" && jq -c .id <<<"$record"
done
