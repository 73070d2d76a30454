# A model from nothing: its shape, its vocabulary, the same bytes from the same seed, and what uses it.
for i in 1 2 3 4 5 6 7 8; do printf 'def f%s(x):\n    """Adds %s to x, and says what that is."""\n    return x + %s\n\n\n' $i $i $i; done >code.txt
jq -n '{architectures: ["R1PlusForCausalLM"], model_type: "r1-plus", hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2,
  num_key_value_heads: 1, head_dim: 16, intermediate_size: 64, max_position_embeddings: 256, rms_norm_eps: 1e-6, rope_theta: 10000.0,
  hidden_act: "silu", tie_word_embeddings: true, daw: {newline: true, gain: true}}' >shape.json
teach() { r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 2 --iters 30 --steps-per-report 15 --optimizer muon "$@"; }
teach --init shape.json --tokenizer train --vocab 320 -o one >log.jsonl; jq -s '.[-1].loss < .[0].loss - 0.3' log.jsonl
ls one one/start; jq .vocab_size one/config.json; [ -n "$(r1-complete -m ./one -p 'def f' -n 4)" ] && echo speaks
teach --init shape.json --tokenizer one/tokenizer.model -t 2 -o two >/dev/null; cmp one/model.safetensors two/model.safetensors && echo same
teach --init shape.json --tokenizer one/tokenizer.model -s 1 -o three >/dev/null; cmp -s one/start/model.safetensors three/start/model.safetensors || echo another
teach --init shape.json --tokenizer train --vocab 320 --export gguf --export-type q8_0 -o four >/dev/null; ls four; [ -n "$(r1-complete -m four/model.gguf -p 'def f' -n 4)" ] && echo speaks
# Taught once more, its records are its own.
r1-finetune -q --data code.txt -m ./one --fine-tune-type full --max-seq-length 64 --batch-size 2 --iters 2 --steps-per-report 1 -o again >log.jsonl; cmp log.jsonl again/records.jsonl && echo same; cmp -s one/loss.svg again/loss.svg || echo another
# What a folder has beside its model is not the model's.
cp -r one base; echo 1 | tee base/LICENSE base/data.jsonl base/adapter_config.json >base/notes.txt; teach -m ./base --fine-tune-type full --iters 1 -o of_base >/dev/null; ls of_base
# With -f all of an earlier run goes, and nothing else.
cp -r two old; touch old/notes; cp -r of_base theirs; cp code.txt theirs/LICENSE; r1-finetune -q --data theirs/LICENSE -f -o theirs; echo $?; r1-finetune -q --data code.txt -m ./one --max-seq-length 64 --batch-size 2 --iters 1 -f -o old >/dev/null; ls old
# Broken off, it goes on from its own start.
teach --init shape.json --tokenizer train --vocab 320 --save-every 10 -o five >/dev/null; rm -r five/step-00000030 five/run.json five/*.safetensors
teach --init shape.json --tokenizer train --vocab 320 --save-every 10 --resume -o five >/dev/null; cmp one/model.safetensors five/model.safetensors && echo same
# Nothing is written to rehearse.
teach --init shape.json --tokenizer train --vocab 320 --dry-run -o six | head -2; [ -e six ] || echo nothing
# A vocabulary is as large as the data make it, and no sequence longer than the model takes.
r1-finetune --data code.txt --init shape.json --tokenizer train --max-seq-length 300 --dry-run | sed -n '2s/steps.*up/… up/p'
# Mistakes.
teach --init shape.json -o seven; echo $?; teach --init shape.json --tokenizer train --vocab 299 -o seven; echo $?
teach --init shape.json --tokenizer train -m tiny.gguf -o seven; echo $?; teach --init shape.json --tokenizer train --fine-tune-type lora -o seven; echo $?
jq '.vocab_size = 100' shape.json >small.json; teach --init small.json --tokenizer one/tokenizer.model -o eight; echo $?
echo '{' >broken.json; teach --init broken.json --tokenizer one/tokenizer.model -o nine; echo $?
# Products of fewer bits, and weights and moments; broken off, the same bits come of them.
fewer() { teach --init shape.json --tokenizer one/tokenizer.model --save-every 10 -o few --resume "$@"; }
for bits in '--precision bf16' '--precision fp16' '--precision fp8' '--optimizer adamw --learning-rate 0.02 --weight-type bf16 --moments bf16' '--optimizer adamw --learning-rate 0.02 --moments fp8'; do
  fewer $bits | jq -sc '[.[-1].loss < .[0].loss - 0.3, .[-1].loss_scale, .[-1].fp8_share > 0]'; cp few/model.safetensors whole; rm -r few/step-00000030 few/run.json few/*.safetensors
  fewer $bits >/dev/null; cmp few/model.safetensors whole && echo same; rm -r few; done
# Through the blocks of a type, and exported as them; beside an adapter they are merged into the model's own numbers.
teach --init shape.json --tokenizer one/tokenizer.model --qat q8_0 -o ten | jq -s '.[-1].loss < .[0].loss - 0.3'; ls ten; [ -n "$(r1-complete -m ten/model.gguf -p 'def f' -n 4)" ] && echo speaks
r1-finetune -q -m ./one --data code.txt --max-seq-length 64 --batch-size 2 --iters 4 --qat q4_0 -o eleven >/dev/null; ls eleven | grep -c gguf
# What rounds the base and the adapter together is read where the base is in bf16 already.
r1-quantize ./one --type bf16 -o half >/dev/null; r1-finetune -q -m ./half --device ref --data code.txt --max-seq-length 64 --batch-size 2 --learning-rate 0.05 --iters 3 --steps-per-report 1 --precision bf16 --qat q8_0 -o rounded | jq -s 'map(.loss) | unique | length'
teach --init shape.json --tokenizer one/tokenizer.model --qat q9_0 -o twelve; echo $?; r1-finetune -q -m ./one --data code.txt --qat q4_0 --export adapter -o twelve; echo $?
# Where nothing is learnt yet, what a run begins with is made of what is asked for now.
cp -r one began; rm -r began/step-* began/run.json began/model.safetensors; jq '.hidden_size = 16' shape.json >narrow.json; teach --init narrow.json --tokenizer one/tokenizer.model --resume -o began >/dev/null; jq .hidden_size began/config.json
# A folder is what its tokenizer and its shape are, too.
cp -r one named; digest() { r1-complete -m ./named -n 1 --json -p x | jq -r .model.digest; }
was=$(digest); for file in config.json tokenizer.model README.md; do cp named/$file kept 2>/dev/null; echo >>named/$file; [ "$(digest)" = "$was" ] && echo the same || echo another; mv kept named/$file; done 2>/dev/null; exit 0
