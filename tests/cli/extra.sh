# An extra file's name is a name, whatever it begins with; what the model sees is its text.
mkdir @lib; printf 'x = 1\n' >@lib/core.py; cp @lib/core.py plain.py
for extra in @lib/core.py plain.py; do r1-complete --extra $extra -p 'x = ' -n 4 --json | jq -c .usage.prompt_tokens; done | uniq | wc -l
r1-complete --extra @lib/none.py -p 'x = '; echo $?
