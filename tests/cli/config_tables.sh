# Tables and keys are known by name, also those of the other tools; a file that is asked for must be there.
for bad in '[r1-complte]' '[r1-complete]\nmax_tokens = 3' '[r1-complete]\nmodle = "x"' '[common]\nif-exists = "overwrite"' '[r1-complete]\nforce = true' \
  '[r1-complete]\nhelp = true'; do printf "# first\n$bad\n" >c; r1-complete --config c -p x; echo $?; done
printf '[r1-ocr]\nlang = "eng"\n[r1-complete]\nmax-tokens = 2\n' >c
r1-complete --config c --print-config | jq -c '."max-tokens"'
r1-complete --config c -n 2 -p x --print-config | jq -c '[."max-tokens".source, .prompt, .output.source, .["sidecar-ext"].value, has("help")]'
r1-complete --config none.toml -p x; echo $?
# Every option that can be set stands there.
diff <(r1-complete --print-config | jq -r 'keys[]' | sort) <(r1-complete --help | grep -oE '^  (-.,|   ) --[a-z-]+' | sed 's/.*--//' | grep -vxE 'help|version|generate|print-config' | sort) && echo complete
