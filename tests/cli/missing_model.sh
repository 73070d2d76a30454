# The names that do exist are offered.
mkdir models; cp "$TINY_MODEL" models/here.gguf
r1-complete --model-path models -m no/such -p x 2>err; echo $?
grep -c 'there is no model no/such; the nearest: .*here' err
