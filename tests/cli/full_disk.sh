r1-complete -n 2 -p x >/dev/full; echo $?
yes '{"prompt":"x"}' | head -100 | r1-complete --jsonl -n 1 >/dev/full; echo "${PIPESTATUS[2]}"
r1-complete --help >/dev/full; echo $?
