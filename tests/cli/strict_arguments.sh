# Nothing is guessed: no abbreviation, no empty value, no value on a switch, no option as a value.
for a in --max-tok=4 --max-tokens= --chat=true --json=false; do r1-complete "$a" -p x; echo $?; done
r1-complete --prompt --json; echo $?
r1-complete -n; echo $?
r1-complete -p -- x; echo $?
