unset R1_MODEL
mkdir -p models "$HOME/.cache/huggingface/hub/models--org--tiny/snapshots/0123456789abcdef0123456789abcdef01234567"
cp "$TINY_MODEL" models/mine.gguf
cp "$TINY_MODEL" "$HOME/.cache/huggingface/hub/models--org--tiny/snapshots/0123456789abcdef0123456789abcdef01234567/tiny-q8_0.gguf"
r1-complete --model-path models --list-models | grep -v "^r1-plus-mini"
r1-complete --model-path models --list-models --json | jq -c '.[] | select(.name == "mine") | [.format, .bytes > 1000]'
r1-complete --model-path models -m mine -n 1 -p x >/dev/null && r1-complete -m org/tiny:tiny-q8_0.gguf -n 1 -p x >/dev/null && echo found
r1-complete --model-path models -m mime -n 1 -p x 2>err; echo $?; grep -c "nearest: mine" err
# Every tool lists the same, and needs nothing else for it.
for tool in bench quantize finetune; do
  for form in '' --json; do cmp <(r1-complete --model-path models --list-models $form) <(r1-$tool --model-path models --list-models $form) && echo $tool the same; done
done
# Whose product is a file does not mind a reader that has enough.
for tool in quantize finetune; do (sleep 0.2; r1-$tool --list-models; echo $? >status) | true; cat status; done
