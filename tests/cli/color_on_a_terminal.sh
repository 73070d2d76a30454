# A terminal is shown colour, unless it is dumb or NO_COLOR or CLICOLOR says no.
command -v script >/dev/null || { echo "skipped: no script"; exit; }
for set in TERM=xterm TERM=dumb NO_COLOR=1 CLICOLOR=0; do
  env TERM=xterm $set script -qec 'r1-complete -m no/such -p x' /dev/null </dev/null | grep -c $'\e\\[1m' | sed "s/^/$set: /"
done
