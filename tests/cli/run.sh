#!/bin/sh
# Usage: run.sh BIN_DIR TINY_MODEL [CASE...]     Each CASE.sh runs with bash in an empty folder, with
# the tools in PATH and the tiny model in $TINY_MODEL. What it prints must equal CASE.out exactly and
# CASE.err line by line, where * stands for anything; it must exit with the number in CASE.exit. A
# missing file means: empty, empty, 0. REDO=1 writes those files instead; read the diff before
# committing it. A case that prints "skipped: why" as its only line is skipped. EXEC_PREFIX='valgrind -q'
# runs before each r1-complete.
set -u
bin=$(cd "$1" && pwd) model=$2; shift 2
here=$(cd "$(dirname "$0")" && pwd)
if [ $# = 0 ]; then
  for script in "$here"/*.sh; do
    name=$(basename "$script" .sh)
    [ "$name" = run ] || set -- "$@" "$name"
  done
fi
bad=0

# Do the lines of $2 fit the patterns of $1?
fits() {
  [ "$(wc -l <"$1")" = "$(wc -l <"$2")" ] || return 1
  [ "$(tail -c1 "$1" | wc -l)" = "$(tail -c1 "$2" | wc -l)" ] || return 1  # a last line without an end
  while IFS= read -r want <&3 || [ -n "$want" ]; do
    IFS= read -r have <&4 || :
    want=$(printf '%s' "$want" | sed 's/[][?\\]/\\&/g')  # * alone is special
    # The words of a pattern are what its author wrote: it is meant to be one.
    # shellcheck disable=SC2254
    case $have in $want) ;; *) return 1 ;; esac
  done 3<"$1" 4<"$2"
}

for case in "$@"; do
  work=$(mktemp -d)
  mkdir "$work/in" "$work/home" "$work/tools"
  for tool in "$bin"/r1-*; do
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${EXEC_PREFIX:-}" "$tool" >"$work/tools/$(basename "$tool")"
    chmod +x "$work/tools/$(basename "$tool")"
  done
  [ -n "${EXEC_PREFIX:-}" ] || { rm -r "$work/tools"; ln -s "$bin" "$work/tools"; }
  (cd "$work/in" && env -i HOME="$work/home" XDG_CONFIG_HOME="$work/home/.config" XDG_CACHE_HOME="$work/home/.cache" \
    TERM=dumb LC_ALL=C PATH="$work/tools:/usr/bin:/bin" TINY_MODEL="$model" R1_MODEL="$model" R1_THREADS=1 \
    bash "$here/$case.sh") >"$work/out" 2>"$work/err" </dev/null
  status=$?
  if [ "$status" = 0 ] && [ "$(wc -l <"$work/out")" = 1 ] && grep -q '^skipped: ' "$work/out"; then
    cat "$work/out"
  elif [ -n "${REDO:-}" ]; then
    for stream in out err; do
      rm -f "$here/$case.$stream"
      [ ! -s "$work/$stream" ] || cp "$work/$stream" "$here/$case.$stream"
    done
    rm -f "$here/$case.exit"
    [ "$status" = 0 ] || echo "$status" >"$here/$case.exit"
  else
    : >"$work/want.out"
    : >"$work/want.err"
    want_out=$here/$case.out; [ -f "$want_out" ] || want_out=$work/want.out
    want_err=$here/$case.err; [ -f "$want_err" ] || want_err=$work/want.err
    cmp -s "$want_out" "$work/out" || { diff -u "$want_out" "$work/out"; bad=1; }
    fits "$want_err" "$work/err" || { diff -u "$want_err" "$work/err"; bad=1; }
    want=$(cat "$here/$case.exit" 2>/dev/null || echo 0)
    [ "$status" = "$want" ] || { echo "$case: exit $status, not $want"; bad=1; }
  fi
  rm -rf "$work"
done
exit $bad
