# A run that breaks off leaves its records in FILE.partial, and -f begins anew.
mkfifo p; r1-complete --jsonl -n 1 -o out <p & pid=$!
exec 3>p; printf '{"id":"a","prompt":"x"}\n' >&3
until [ -s out.partial ]; do sleep 0.05; done
kill -TERM $pid; wait $pid; echo $?
exec 3>&-; ls
printf '{"id":"b","prompt":"x"}\n' >b
r1-complete --jsonl -n 1 -o out b; echo $?
r1-complete --jsonl -n 1 -f -o out b && jq -c .id out && ls
# A text that cannot be completed makes no file, and replaces none.
printf old >text; r1-complete -f -o text none; echo $?; cat text
