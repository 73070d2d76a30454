#!/bin/sh
# Usage: install_test.sh BUILD_DIR SOURCE_DIR MODEL      Installs into an empty folder, builds the
# example against it with find_package(r1), and runs both the example and the tool from there.
set -eu
build=$1 source=$2 model=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/usr" >/dev/null
cp -r "$source/examples" "$work/examples"
cmake -G Ninja -S "$work/examples" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/usr" >/dev/null
cmake --build "$work/build" >/dev/null
"$work/build/complete" "$model" >"$work/out"
[ -s "$work/out" ]
"$work/build/complete" r1-plus-mini "$work/usr/share/r1" | grep -q '%'  # the shipped one knows how
for page in man1/r1-complete.1 man1/r1-bench.1 man1/r1-quantize.1 man1/r1-finetune.1 man5/r1-model.5 man7/r1.7; do
  [ -f "$work/usr/share/man/$page" ]
done
cd "$work" && printf 'x = ' | "$work/usr/bin/r1-complete" -m "$model" -n 4 >/dev/null
mv usr "moved away"  # the tools find what is theirs
printf 'import nu' | env -u R1_MODEL HOME="$work" "$work/moved away/bin/r1-complete" -n 2 | grep -q mpy
mv "moved away" usr
"$work/usr/bin/r1-bench" -m "$model" --prompt-tokens 4 -n 0 --min-time 0s --repeat 1 -q >/dev/null
