# All messages go to the end of a file as well, however quiet the tool is; a file that cannot be written is said first.
r1-complete -qq --log-file log -n 2 -p abc >out; wc -l <out; r1-complete -qq --log-file log -n 2 none; echo $?
sed -E 's/^[0-9]{4}-[0-9-]+T[0-9:]+Z r1-complete\[[0-9]+\]: /TIME /; s/ [^ ]*tiny.gguf/ MODEL/; s/[0-9]+ ms/N ms/; s/on .*, loaded/on D, loaded/' log
r1-complete --log-file none/log -p abc; echo $?
r1-complete -v --log-file /dev/full -n 1 -p abc 2>&1 >/dev/null | head -1
