# --extract takes out of the answer; with --echo, and in a --filter, the text stands around that.
p=$(printf '```\na = 1\n```\n%.0s' 1 2 3 4 5 6; echo x); p=${p%x}; export R1_MODEL=r1-plus-mini
r1-complete -n 8 -p "$p" >whole; r1-complete -n 8 --extract -p "$p" >block; cmp -s whole block; echo $?
(printf %s "$p"; cat block) >want
r1-complete -n 8 --echo --extract -p "$p" | cmp - want; printf %s "$p" | r1-complete -n 8 --filter --extract | cmp - want && echo around it
