# The first signal ends the run in order: what was answered is there, and the shell sees the signal.
mkfifo p; r1-complete --jsonl -n 4 <p >out & pid=$!
exec 3>p; printf '{"id":"a","prompt":"x"}\n' >&3
until [ -s out ]; do sleep 0.05; done
kill -TERM $pid; wait $pid; echo $?
jq -c '[.id, .status]' out
# So it does while the text itself is awaited.
mkfifo q; exec 4<>q; r1-complete <q 2>/dev/null & pid=$!
sleep 0.5; kill -TERM $pid; wait $pid; echo $?
