# -v: the model, the device, the time of all. -vv: of each request too.
printf '%s\n' '{"prompt":"a"}' '{"prompt":"b"}' >r
r1-complete -v --jsonl -n 2 r | wc -l
r1-complete -vv --jsonl -n 2 r | wc -l
