command -v strace >/dev/null || { echo "skipped: no strace"; exit; }
strace -f -e trace=network -o trace r1-complete -n 2 -p x >/dev/null
grep -c 'socket(AF_INET' trace
