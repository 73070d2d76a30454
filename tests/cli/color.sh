# Colour is for messages alone: --color, then NO_COLOR, then CLICOLOR_FORCE, then whether it is a terminal.
says() { env TERM=xterm "$@" r1-complete -m no/such -p x $color 2>&1 >/dev/null | head -1 | cut -c1-20 | od -An -c | head -1; }
color=; says; says CLICOLOR_FORCE=1; says CLICOLOR_FORCE=0; says NO_COLOR=1 CLICOLOR_FORCE=1; says NO_COLOR= CLICOLOR_FORCE=1
color='--color always'; says NO_COLOR=1
color='--color never'; says CLICOLOR_FORCE=1
# Never in the data.
r1-complete --color always -n 9 -p abc | cmp - <(r1-complete --color never -n 9 -p abc) && echo same
r1-complete --color sometimes -p x; echo $?
