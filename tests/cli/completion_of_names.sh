# In bash a name with spaces is one word, and @ stands before the name of a file; models have names, in each tool.
echo x >'my file.py'; echo y >answer
r1-complete --generate bash >complete.bash; . ./complete.bash; compopt() { :; }
try() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); COMPREPLY=(); _r1_complete; printf '%s|' "${COMPREPLY[@]}"; echo; }
try r1-complete 'my'; try r1-complete -o 'my'; try r1-complete --suffix '@ans'; try r1-complete --device c; try r1-complete --max-t

mkdir models; cp "$TINY_MODEL" models/my-model.gguf; export R1_MODEL_PATH=models
for tool in complete bench quantize finetune; do
  r1-$tool --generate bash >complete.bash; . ./complete.bash
  words=(r1-$tool -m my-m); [ $tool = quantize ] && words=(r1-quantize my)
  COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1)) COMPREPLY=(); _r1_$tool; printf '%s|' "${COMPREPLY[@]}"; echo
done
