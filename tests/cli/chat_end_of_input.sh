# End of input ends a chat too: no prompt is printed, least of all without end.
timeout 20 r1-complete --chat -n 4 </dev/null; echo $?
timeout 20 r1-complete --chat -n 4 -p x; echo $?
