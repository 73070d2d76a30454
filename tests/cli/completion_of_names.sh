# In bash a name with spaces is one word, and @ stands before the name of a file.
echo x >'my file.py'; echo y >answer
r1-complete --generate bash >complete.bash; . ./complete.bash; compopt() { :; }
try() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); COMPREPLY=(); _r1_complete; printf '%s|' "${COMPREPLY[@]}"; echo; }
try r1-complete 'my'; try r1-complete -o 'my'; try r1-complete --suffix '@ans'; try r1-complete --device c; try r1-complete --max-t
