# The names that do exist are offered, those that are like it first.
mkdir models; cp "$TINY_MODEL" models/here.gguf
r1-complete --model-path models -m no/such -p x 2>err; echo $?
grep -c 'there is no model no/such; here are: .*here' err
r1-complete --model-path models -m hera -p x 2>err; grep -c 'there is no model hera; the nearest: here' err
r1-complete -m Qwen/Qwen3-0.6B -p x 2>err; grep -c 'there is no model Qwen/Qwen3-0.6B; here are: .*; `hf download Qwen/Qwen3-0.6B` would fetch it$' err
