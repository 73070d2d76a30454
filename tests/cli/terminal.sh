# Under a terminal stdout still holds the completion alone, and its control bytes are made visible.
command -v script >/dev/null || { echo "skipped: no script"; exit; }
script -qec "r1-complete -n 30 --temperature 2 -p abc" /dev/null </dev/null | tr -d '\r\n' | LC_ALL=C grep -c '[[:cntrl:]]'
