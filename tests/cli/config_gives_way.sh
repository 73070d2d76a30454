# What the command line contradicts does not count, and what changes nothing here is no mistake in a file.
run() { printf '[r1-complete]\n%s\n' "$1" >c.toml; shift; r1-complete --config c.toml -n 0 "$@" >out; echo "$?"; }
run 'cursor = "<C>"' -p x --suffix y; run 'cursor = "<C>"' --jsonl <<<'{"prompt":"x"}'
run 'echo = true' --json -p x; run 'time-limit = "10s"' --deterministic -p x; run 'if-exists = "error"' -f -O o c.toml
for line in 'summary = true' 'system = "s"' 'answers = 2' 'logprobs = 2' 'timing = true'; do run "$line" -p x; done
run 'chat = true' -p x --suffix y; run 'timing = true' --openai-batch </dev/null
# On the command line it is.
for wrong in --summary '--system s' '-N 2' '--logprobs 2' --timing '--if-exists error' '--chat --suffix y' '--chat --echo' '--filter x'; do r1-complete -p x $wrong </dev/null; echo $?; done
