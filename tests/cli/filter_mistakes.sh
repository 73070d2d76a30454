# A wrong command line or configuration leaves an editor's text as it was, without a word.
printf 'my text\n' >f; printf '[r1-complete]\nnonsense = 1\n' >c
for wrong in --nonsense '-n x' '--temperature 1000' '--config c' 'a b' '--jsonl --chat' '--cursor='; do
  r1-complete --filter $wrong <f | cmp - f; echo "${PIPESTATUS[0]}"
done
R1_THREADS=abc r1-complete --filter <f | cmp - f; echo "${PIPESTATUS[0]}"
# With -v it says why.
r1-complete --filter --nonsense -v <f; echo $?
# Behind -- it is a file's name.
r1-complete --nonsense -- --filter <f; echo $?
# Where a file is the text, it is missing aloud.
r1-complete --filter none <f; echo $?
# What was given beside the text is no part of it.
seq 200 >long; r1-complete --filter --suffix ')' --timeout 1ms -n 60 <long | cmp - long; echo "${PIPESTATUS[0]}"
