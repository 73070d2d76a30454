# Both ways answer the same requests; waiting is told by percentiles, and one is held against the other.
r1-bench -q --serve -m $TINY_MODEL --requests 12 --prompt-tokens 8 -n 6 --batch-size 4 --repeat 4 --warmup 0 --jsonl >out; echo $?
jq -c '[.id, .test.kind, .serve.requests, .serve.rate, (.samples_ns | length), .serve.lengths]' out
jq -s '(.[0].tokens_per_s * .[0].median - .[1].tokens_per_s * .[1].median | fabs) < 1 and (.[0] | .serve.over_static == null)' out
jq -s '[.[].serve | .ttft_ms, .per_token_ms] | all(.p50 > 0 and .p50 <= .p90 and .p90 <= .p99)' out
jq -s '.[1].serve.over_static | .low <= .ratio and .ratio <= .high' out
# From a file, arriving over time; in a table waiting has a table of its own.
printf '4 2\n8 3\n' >lengths
r1-bench -q --serve -m $TINY_MODEL --lengths lengths --requests 4 --rate 50 --batch-size 2 --repeat 1 --warmup 0 | sed 's/\(serve:[^ ]*\).*/\1/'
# Lengths are read before the model is; from a pipe too, over and over. What fails has both its records.
r1-bench -q --serve -m $TINY_MODEL --lengths none 2>&1; echo $?
printf '4 1\n' | r1-bench -q --serve -m $TINY_MODEL --lengths - --requests 3 --repeat 1 --warmup 0 --json | jq -c '.[] | [.id, .serve.requests, .serve.per_token_ms]'
printf '4 1\n' | r1-bench -q --serve -m $TINY_MODEL --lengths - --requests 1 --repeat 1 --warmup 0 | tail -1 | awk '{print NF}'
