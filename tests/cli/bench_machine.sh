# Without a model the machine is measured, and with --ops its operations; figures are positive.
r1-bench -q --min-time 0s --repeat 1 --warmup 0 --jsonl >out; echo $?
jq -r '[.id, .status, .test.kind] | @tsv' out
jq -s 'all(.status == "skipped" or (.median > 0 and .model == null and .tokens_per_s == null))' out
jq -s 'all(.test.kind != "memory" or .id == "memory:latency" or .gb_per_s > 0)' out
ls
r1-bench -q --ops 'add*' --min-time 0s --repeat 1 --warmup 0 --jsonl | jq -r '[.id, (.gb_per_s > 0), .limit.name] | @tsv'
r1-bench -q --ops op:rope/* --min-time 0s --repeat 1 --format csv | cut -d, -f3
