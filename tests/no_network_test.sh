#!/bin/bash
# Usage: no_network_test.sh BIN_DIR TINY_MODEL      Runs the cases of tests/cli under strace and fails when any
# process asks for an internet socket. What the cases print is judged elsewhere. Left out: those
# that send signals, which reach the tracer here; one with a pipe that the tracer holds open; and
# every operation's measurement, which takes long.
set -u
command -v strace >/dev/null || { echo "skipped: no strace"; exit 77; }
bin=$(cd "$1" && pwd) model=$2
here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cases=0
for script in "$here"/cli/*.sh; do
  name=$(basename "$script" .sh)
  case $name in run | broken_off | co_process | ctrl_c | *interrupted | resume | output_to_device | bench_machine) continue ;; esac
  cases=$((cases + 1))
  # A leak checker cannot work under a tracer.
  EXEC_PREFIX="env ASAN_OPTIONS=detect_leaks=0 strace -f --seccomp-bpf -q -A -o $log -e trace=socket" \
    timeout 60 "$here/cli/run.sh" "$bin" "$model" "$name" >/dev/null 2>&1
done
traced=$(grep -c '+++ \(exited\|killed\)' "$log")
if [ "$traced" -lt "$cases" ]; then
  echo "only $traced processes of $cases cases were traced"
  exit 1
fi
if grep 'AF_INET' "$log"; then exit 1; fi
echo "$cases cases, $traced processes, no internet socket"
