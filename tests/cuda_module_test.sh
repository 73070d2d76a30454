#!/bin/bash
# Usage: cuda_module_test.sh BIN_DIR MODULE FAKE_DRIVER_DIR TINY_MODEL     What an r1 with the CUDA module says on a
# machine without a driver, and with a driver that finds no card; and that nothing of CUDA is opened unasked.
set -u
bin=$(cd "$1" && pwd) module=$2 fake=$3 model=$4
bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export R1_MODEL=$model R1_THREADS=1
r1=$bin/r1-complete

# says NAME WANTED COMMAND…: fails with status 3 and prints WANTED.
says() {
  local name=$1 wanted=$2 said status
  shift 2
  said=$("$@" 2>&1 </dev/null)
  status=$?
  case $status$said in
    3r1-complete:\ *"$wanted"*) ;;
    *) echo "$name: status $status, '$said', not '$wanted'"; bad=1 ;;
  esac
}

# opened COMMAND…: the files of CUDA that it opened.
opened() {
  ASAN_OPTIONS=detect_leaks=0 strace -f -q -o "$work/trace" -e trace=openat "$@" >/dev/null 2>&1 </dev/null
  grep -oE '(libcuda|libr1_cuda|libcublas)[^"]*", [^=]*= [0-9]' "$work/trace" | sort -u
}

exported=$(nm -D --defined-only "$module" | awk '{print $3}')
[ "$exported" = r1_open_cuda ] || { echo "the module exports: $exported"; bad=1; }
if readelf -d "$module" | grep NEEDED | grep -E 'libcu'; then
  echo "the module needs libraries of CUDA to be loaded"
  bad=1
fi

says 'no card' 'no card that it can use' env LD_LIBRARY_PATH="$fake" "$r1" --device cuda -p x
if ldconfig -p | grep -q 'libcuda\.so\.1'; then
  echo "a driver is here: what is said without one is not tried"
else
  says 'no driver' 'there is no NVIDIA driver on this machine' "$r1" --device cuda -p x
  cpu=$("$r1" --device cpu -p x -n 3 </dev/null) auto=$("$r1" --device auto -p x -n 3 </dev/null)
  if [ -z "$cpu" ] || [ "$cpu" != "$auto" ]; then
    echo "auto without a driver says '$auto', cpu '$cpu'"
    bad=1
  fi
fi
auto=$(LD_LIBRARY_PATH=$fake "$r1" --device auto -p x -n 3 </dev/null)
[ "$("$r1" --device cpu -p x -n 3 </dev/null)" = "$auto" ] || { echo "auto without a card says '$auto'"; bad=1; }

if command -v strace >/dev/null; then
  for ask in --version --help '--device cpu -p x -n 1'; do
    # shellcheck disable=SC2086
    files=$(opened env LD_LIBRARY_PATH="$fake" "$r1" $ask)
    [ -z "$files" ] || { echo "$ask opened $files"; bad=1; }
  done
  # The other way round, so that the trace is known to see what is opened.
  case $(opened env LD_LIBRARY_PATH="$fake" "$r1" --device cuda -p x) in
    *libr1_cuda.so*) ;;
    *) echo "--device cuda did not open the module"; bad=1 ;;
  esac
else
  echo "no strace: what is opened is not looked at"
fi
exit $bad
