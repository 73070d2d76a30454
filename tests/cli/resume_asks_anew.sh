# An answer is kept only to the question it was given to: by the text, not by the name or the id.
printf '{"id":"a","prompt":"x"}\n{"id":"b","prompt":"y"}\n' >requests
r1-complete --jsonl -n 2 -o out requests && cp out first
sed -i 's/"y"/"z"/' requests
r1-complete --jsonl -n 2 -o out --resume requests; echo $?
cmp <(sed -n 1p out) <(sed -n 1p first) && ! cmp -s out first && wc -l <out
cmp out <(r1-complete --jsonl -n 2 requests) && echo as new
printf 'one' >f; printf 'ctx' >x
r1-complete --json -n 2 --extra x -o files f && cp files first
r1-complete --json -n 2 --extra x -o files --resume f && cmp files first && echo kept
printf 'other' >x; r1-complete --json -n 2 --extra x -o files --resume f && cmp files <(r1-complete --json -n 2 --extra x f) && echo other context
printf 'two' >f; r1-complete --json -n 2 --extra x -o files --resume f && cmp files <(r1-complete --json -n 2 --extra x f) && echo other text
# What failed is taken again, and what was asked otherwise.
printf '{"id":"a","prompt":"x"}\n{"id":"b","prompt":5}\n{"id":"c","prompt":"w"}\n' >requests
r1-complete --jsonl -n 2 requests >run 2>/dev/null
sed -i 's/5/"y"/; s/"w"/"v"/' requests
r1-complete --jsonl -n 2 --only-failed run requests | jq -c '[.id, .status]'
# A record whose stored file is gone is made again.
printf 'b' >b; r1-complete --json -n 2 -O d -o stored f b && rm d/b.txt
r1-complete --json -n 2 -O d -o stored --resume f b && ls d && jq -c '[.id, .status]' stored
