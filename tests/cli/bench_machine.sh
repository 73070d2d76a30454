# Without a model the machine and its operations are measured, with --ops these alone; figures are positive.
r1-bench -q --min-time 0s --repeat 1 --warmup 0 --jsonl >out; echo $?
jq -r 'select(.test.kind != "op") | [.id, .status, .test.kind] | @tsv' out
jq -r .test.kind out | uniq
jq -s 'all(.status == "skipped" or (.median > 0 and .model == null and .tokens_per_s == null))' out
jq -s 'all(.test.kind != "memory" or .id == "memory:latency" or .gb_per_s > 0)' out
jq -s 'all(.test.kind != "op" or (.status == "ok" and .share_of_peak > 0))' out
# Only a card is measured by the large ones unasked.
jq -r 'select(.id | test("^op:linear/bf16/|^op:attention_paged/")).id' out; ls
r1-bench -q --ops 'add*' --min-time 0s --repeat 1 --warmup 0 --jsonl | jq -r '[.id, (.gb_per_s > 0), .limit.name] | @tsv'
r1-bench -q --ops op:rope/* --min-time 0s --repeat 1 --format csv | cut -d, -f3
r1-bench -q --ops op:attention_paged/decode/1x32x8x128@4096 --min-time 0s --repeat 1 --format csv | cut -d, -f3
