# A pipe or a device is written to under its name: nothing is in the way, nothing is replaced.
r1-complete -n 2 -p x -o /dev/null; echo $?
ls -l /dev/null | cut -c1
mkfifo p; cat p >got & r1-complete -n 2 -p x -o p; wait; cmp got <(r1-complete -n 2 -p x) && test -p p && echo through the pipe
cat p >got & r1-complete --json -n 2 -p x -o p; wait; jq -c .status got
r1-complete -n 2 -p x -o /dev/stdout >file; cmp file <(r1-complete -n 2 -p x) && echo standard output
mkdir d; r1-complete -p x -o d; echo $?
r1-complete -p x --json -o p --resume; echo $?
ls
