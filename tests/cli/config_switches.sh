# A switch that counts takes true too.
printf '[common]\nquiet = true\nverbose = 2\n' >c
r1-complete --config c --print-config | jq -c '[.quiet.value, .verbose.value]'
printf '[common]\nquiet = "much"\n' >c; r1-complete --config c -p x; echo $?
