command -v strace >/dev/null || { echo "skipped: no strace"; exit; }
# A leak checker cannot work under a tracer.
ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=network -o trace r1-complete -n 2 -p x >/dev/null
grep -c 'socket(AF_INET' trace
