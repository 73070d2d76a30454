# Under a terminal too, stdout is the data: records into a file while the terminal shows progress, and text.
command -v script >/dev/null || { echo "skipped: no script"; exit; }
yes '{"prompt":"def f(x):"}' | head -60 >r
script -qec 'r1-complete --jsonl -n 40 -v r >out' /dev/null </dev/null >seen
jq -c 'select(.status == "ok") | .schema' out | sort | uniq -c | tr -s ' '; wc -l <out
tr '\r' '\n' <seen | grep -c 'loaded in'
script -qec 'r1-complete -n 30 -v -p abc 2>err' /dev/null </dev/null | tr -d '\r' >seen
cmp seen <(r1-complete --sanitize -n 30 -p abc) && echo same
