# A model that cannot be read is a record in its place, and the others are measured.
head -c 200 $TINY_MODEL >cut.gguf
r1-bench -m $TINY_MODEL -m ./cut.gguf -m $TINY_MODEL --prompt-tokens 4 -n 0 --min-time 0s --repeat 1 --jsonl 2>err >out; echo $?
jq -c '[.index, .id, .status, .error.code, (.samples_ns | length)]' out; grep -c cut.gguf err
# So is a test that the model has no room for.
r1-bench -q -m $TINY_MODEL --prompt-tokens 4,100000 -n 0 --min-time 0s --repeat 1 --jsonl >out; echo $?
jq -c '[.id, .status, .error.code]' out
# Alone, a model that cannot be read is the run.
r1-bench -m ./cut.gguf 2>/dev/null; echo $?
