# Ctrl-C ends the run by SIGINT, in order: what is in flight is an interrupted record, what was made is there.
# (A shell that is no terminal starts its background jobs with SIGINT ignored.)
mkfifo p; env --default-signal=INT r1-complete --jsonl --summary -n 1 <p >out & pid=$!
exec 3>p; printf '{"id":"a","prompt":"x"}\n{"id":"b","prompt":"x","n":1024,"max_tokens":20000,"temperature":1}\n' >&3
until [ -s out ]; do sleep 0.05; done
kill -INT $pid; wait $pid; echo $?; exec 3>&-
jq -c '[.id, .status, .error.code, .failed, .interrupted]' out
# A signal that was ignored at the start stays ignored.
(trap '' INT; r1-complete --jsonl -n 1 <p >quiet & echo $! >pid)
exec 3>p; printf '{"prompt":"x"}\n' >&3
until [ -s quiet ]; do sleep 0.05; done
kill -INT "$(cat pid)"; printf '{"prompt":"y"}\n' >&3; exec 3>&-
until [ "$(wc -l <quiet)" = 2 ]; do sleep 0.05; done; jq -c .status quiet
