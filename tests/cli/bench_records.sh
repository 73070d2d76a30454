# Fields and their order; what must hold of any figures; prefill and decode are two records.
r1-bench -q -m $TINY_MODEL --prompt-tokens 8 -n 4 --depth 0,16 --min-time 0s --repeat 3 --jsonl --price 1/h >out
jq -r '.id' out
head -1 out | jq -c 'keys_unsorted, (.build, .cpu, .model, .test, .limit | keys_unsorted)'
jq -c '[.schema, .index, .status, .test.kind, (.test.device | startswith("cpu (")), .test.batch_size, (.samples_ns | length), .error]' out
jq -s 'all(.samples_ns as $s | ($s | min) == .min and ($s | max) == .max and ($s | sort)[1] == .median
  and (.mean >= .min) and (.mean <= .max) and .stddev >= 0)' out
jq -s 'all(((.test.prompt_tokens // .test.max_tokens) * 1e9 / .median - .tokens_per_s) | fabs < 1e-3 )' out
jq -s 'all(.share_of_peak > 0 and (.share_of_peak * .median - .limit.floor_ns | fabs) < 1 and .load_ns > 0 and .peak_rss > 0)' out
jq -s 'all((1e6 / .tokens_per_s / 3600 - .price_per_million_tokens | fabs) < 1e-9)' out
jq -s 'all((.ttft_ns == .median) == (.test.kind == "prefill"))' out
# No card was used.
jq -s 'all([.gpu, .driver, .cuda, .peak_vram] == [null, null, null, null])' out
# The model is named by its digest, and the same logits have the same digest, however often they are made.
jq -r '.model.digest[0:7]' out | sort -u
r1-bench -q -m $TINY_MODEL --prompt-tokens 8 -n 4 --depth 0,16 --min-time 0s --repeat 1 --jsonl | jq -r '.output_digest' >again
jq -r .output_digest out | cmp - again && echo same; sort -u again | wc -l
