# What is read is never written over, under whatever name.
printf text >a; printf '{"prompt":"x"}\n' >r; echo a >l; ln -s a link; ln a hard; printf text >b.txt
r1-complete -n 1 -f -o a a; echo $?
r1-complete -n 1 -f -o link a; echo $?
r1-complete -n 1 -f -o a hard; echo $?
r1-complete -n 1 -f -o a --prefix-file a; echo $?
r1-complete -n 1 -f -o a --extra a -p x; echo $?
r1-complete -n 1 -f -o r --jsonl r; echo $?
r1-complete -n 1 -f -o l --files-from l --json; echo $?
r1-complete -n 1 -f -o r --only-failed r --jsonl r; echo $?
r1-complete -n 1 -f -w a b.txt; echo $?
r1-complete -n 1 -f -O . b.txt; echo $?
cat a r l b.txt; ls
