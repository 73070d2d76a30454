# An empty text is one; an empty name of a file is none.
printf 'one\ntwo\nthree\n' | while read -r l; do r1-complete -n 0 -p ''; echo "[$l]"; done
echo text | r1-complete -n 0 --echo -p '' --suffix ' end'; echo
for empty in --prefix-file --files-from -O -m -o --adapter --only-failed --extra --log-file --config; do r1-complete -p x "$empty" ''; echo $?; done
r1-complete -n 1 ''; echo $?; r1-complete -p x --stop ''; echo $?
# Standard input is read once, and not by a rehearsal.
(sleep 1; echo late) | timeout 20 r1-complete --dry-run - | sed 1,2d; echo "${PIPESTATUS[1]}"
: >a.py; r1-complete --dry-run -O out a.py - <a.py | sed 1,2d; echo "${PIPESTATUS[0]}"
r1-complete --json --files-from - - <a.py; echo $?
mkfifo f; (echo a.py >f) & timeout 20 r1-complete --json -n 0 --files-from f | jq -r .id; echo "${PIPESTATUS[0]}"; wait
r1-complete -n 0 --prefix-file a.py a.py; echo $?; r1-complete --jsonl --prefix-file a.py <a.py; echo $?
r1-complete --json -p @none a.py a.py; echo $?
printf 'a.py\0b.py\0' | r1-complete --json -n 0 --files-from -; echo $?
# What is not there is named as what it was meant to be, and by where that was said.
r1-complete -p x --adapter none; echo $?; mkdir taught; echo '{}' >taught/adapter_config.json; r1-complete -p x -m ./taught; echo $?
mkdir whole; echo '{}' >whole/config.json; r1-complete -p x --adapter whole; echo $?; touch small.gguf; r1-complete -p x -m small; echo $?
R1_MODEL=nosuch r1-complete -p x; echo $?
