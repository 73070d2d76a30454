# A signal ends it by that signal, with whole records and a record of what was under way.
bench() { : >err; r1-bench -v -m $TINY_MODEL --prompt-tokens 4,5 -n 0 --min-time 20s --repeat 1 "$@" 2>err & pid=$!
  until grep -q '^r1-bench: on ' err; do sleep 0.05; done; sleep 0.5; kill -TERM $pid; wait $pid; }
bench --jsonl >out; echo $?; jq -c '[.id, .status, .error.code, .error.retryable]' out
bench --json >out; jq -c 'map(.error.code)' out
bench --jsonl -o kept.jsonl; ls; grep -vc 'on cpu\|loaded in\|other processes\|the cores' err || :
