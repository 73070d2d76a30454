r1-bench -q --hardware | sed -n 's/^\(cpu\|memory\|runs on\|read\|copy\|latency\|products\) .*/\1/p; /^model/p; /^Llama/s/ .*//p'
r1-bench -q --hardware --json >out; jq -c 'keys_unsorted, (.measured | keys_unsorted), (.models[0] | keys_unsorted)' out
jq -c '[.schema, .threads, (.models | length), .measured.read_gb_per_s > 0, (.measured.product_gop_per_s | keys)]' out
jq '[.models[] | select(.type == "bf16")] | [.[].decode_tokens_per_s] | . == (sort | reverse)' out
