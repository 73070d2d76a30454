mkdir -p "$XDG_CONFIG_HOME/r1"; c=$XDG_CONFIG_HOME/r1/config.toml
printf '[common]\nmax-tokens = 3 # three\n[r1-complete]\nstop = ["zzz", "\\n\\n"]\n' >$c
r1-complete --print-config | jq -c '[."max-tokens".value, .stop.value]'
r1-complete --config none --print-config | jq -c '."max-tokens".value'
r1-complete -n 5 --print-config | jq -c '."max-tokens".value'
R1_THREADS=2 r1-complete --print-config | jq -c .threads
for bad in 'x = 1' '[common' '[common]\nmax-tokens' '[common]\ncolour = 1' '[common]\nmax-tokens = many' '[common]\noutput = "x"' \
  '[common]\nstop = "x"' '[common]\nmax-tokens = 1\nmax-tokens = 2'; do printf "$bad\n" >$c; r1-complete -p x; echo $?; done
# Without a home no file is read: the working directory is not trusted.
mkdir -p .config/r1; echo bad >.config/r1/config.toml
env -u HOME -u XDG_CONFIG_HOME r1-complete --print-config | jq -c '."max-tokens"'
