# What is read is not replaced where names come from a list either: from a file, a pipe, or the failed of a run.
say() { for name; do echo "$name" >"$name"; done; }
say a.py b.py b.txt
echo a.py | r1-complete --json --files-from - -o a.py -f -n 2; echo $?
echo a.py >list; r1-complete --json --files-from list -o a.py -f -n 2; echo $?
rm a.py; r1-complete --json -n 2 a.py >run; say a.py; r1-complete --json --only-failed run -o a.py -f -n 2; echo $?
cat a.py; ls
# What an option names by @, and the model or adapter, which have files of their own.
echo b.py >list; for read in '-p @b.txt' '--suffix @b.txt' '--system @b.txt --chat'; do
  r1-complete --files-from list -w $read --if-exists overwrite -n 2; echo $?; done; cat b.txt
mkdir model; cp "$TINY_MODEL" model/m.gguf; say model/m.py
echo model/m.py | r1-complete -m ./model --files-from - -w --sidecar-ext .gguf -f -n 2; echo $?; cmp model/m.gguf "$TINY_MODEL"
echo model/m.py >list; r1-complete -m ./model --files-from list -w --sidecar-ext .gguf -f --dry-run | tail -1
# A name that comes later, by a pipe or of a failed file.
printf 'b.py\n\nb.txt\n' | r1-complete --files-from - -w --if-exists append --sidecar-ext .txt -n 2; echo $?; cat b.txt
rm b.py b.txt; r1-complete --json -n 2 b.py b.txt >run; say b.py b.txt
r1-complete --only-failed run -w -n 2; echo $?; cat b.txt
# Names are read before the first result is made only where one may replace something; an empty list is no input.
: | r1-complete --files-from - -w -f -n 2; echo $?
mkfifo p; r1-complete --files-from - -w --sidecar-ext .md -n 2 <p & exec 3>p; echo b.py >&3; until [ -e b.md ]; do sleep 0.05; done; exec 3>&-; wait; ls b.*
