#!/bin/bash
# Usage: readme_test.sh BIN_DIR README.md      Runs every command of the README's "Use" section, with
# the shipped model, in an empty folder. Commands that name a model of the user's own are left out.
set -eu
bin=$(cd "$1" && pwd) readme=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The backquotes are the README's.
# shellcheck disable=SC2016
sed -n '/^## Use/,/^## /p' "$readme" | sed -n '/^```sh/,/^```/p' | grep -v '^```' | grep -v '^#' | grep -v '^$' >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 4 ]
cd "$work"
while IFS= read -r command; do
  case $command in *' -m deepseek-ai/'*) continue ;; esac
  HOME=$work PATH=$bin:$PATH bash -o pipefail -c "$command" >out 2>err </dev/null || { echo "fails: $command"; cat err; exit 1; }
  [ -s out ] || { echo "prints nothing: $command"; exit 1; }
  sed -i '/^r1-bench: .*\(of the CPU time\|the cores\)/d' err  # the machine may be busy
  [ ! -s err ] || { echo "complains: $command"; cat err; exit 1; }
done <commands
