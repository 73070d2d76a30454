#!/bin/bash
# Usage: man_examples_test.sh BIN_DIR PAGE.in      Runs every example of a man page's EXAMPLES, in an empty
# folder with the shipped model; it must print something, complain of nothing, and end with status 0.
# r1-bench takes few samples of short texts here, and may say that the machine is busy; r1-quantize may call the text short. A line that begins with ":" is typed in vim; another without the tool's name is an error of this test.
set -eu
bin=$(cd "$1" && pwd) page=$2
tool=$(basename "$page" .1.in)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n '/^\.SH EXAMPLES/,/^\.SH EXIT/p' "$page" | sed -n '/^\.EX/,/^\.EE/p' | grep -v '^\.' |
  sed 's/\\-/-/g; s/\\e/\\/g; s/\\(aq/'"'"'/g' >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 3 ]
cd "$work"
printf '{"prompt":"def f(x):","max_tokens":4}\n' >requests.jsonl
for file in old new; do
  printf '{"schema":"r1.bench/1","id":"tg128","samples_ns":[9,8,8,7,8]}\n' >$file.jsonl
done
mkdir -p .config/r1
printf '[r1-bench]\nmin-time = "0s"\nrepeat = 2\nwarmup = 0\nprompt-tokens = "16"\nmax-tokens = "4"\n' >.config/r1/config.toml
mkdir src; printf 'def is_even(n):\n    return' >src/even.py
while IFS= read -r command; do
  out=out
  rm -f records.jsonl
  case $command in
    *' -m deepseek-ai/'*) continue ;;  # a model of the user's own
    :*)
      command -v vim >/dev/null || continue
      printf 'def f(x):\n    <CURSOR>\n' >buffer
      out=buffer
      set -- vim -N -u NONE -es -c "$command" -c ':wq' buffer ;;
    *"$tool"*) set -- bash -o pipefail -c "$command" ;;
    *) echo "not a command of the tool: $command"; exit 1 ;;
  esac
  HOME=$work PATH=$bin:$PATH "$@" >out 2>err </dev/null || [ $? = 141 ] ||  # head has seen enough
    { echo "fails: $command"; cat err; exit 1; }
  [ -s "$out" ] || [ -s records.jsonl ] || { echo "prints nothing: $command"; exit 1; }
  sed -i '/^r1-bench: .*\(of the CPU time\|the cores\)/d; / are few for --method gptq/d' err
  [ ! -s err ] || { echo "complains: $command"; cat err; exit 1; }
  if [ "$out" = buffer ] && grep -q CURSOR buffer; then echo "does nothing: $command"; exit 1; fi
done <commands
