# Conversations for a model that has no template: that of --chat-template, which goes where the result goes.
for i in 1 2 3 4; do echo '{"messages":[{"role":"user","content":"What does f'$i' give back?"},{"role":"assistant","content":"Whatever number below it, written x + '$i'"}]}'; done >asked.jsonl
echo "{{ '<s>' }}{% for m in messages %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% endfor %}" >inst.jinja
echo "{{ '<s>' }}{% for m in messages %}{{ '<<SYS>> [INST] ' + m['content'] + ' [/INST]' }}{% endfor %}" >other.jinja
echo "{{ messages }}" >unknown.jinja; echo "<|im_start|>" >chatml.jinja
teach() { r1-finetune -q --data asked.jsonl --max-seq-length 200 --batch-size 1 --iters 2 --steps-per-report 2 "$@"; }
answers() { r1-complete "$@" --chat -n 4 -p 'f1?' >answer && [ -s answer ] && echo answers; }
for file in '' none unknown chatml; do teach ${file:+--chat-template $file.jinja} -o none; echo $?; done; ls -d none 2>/dev/null
teach --chat-template inst.jinja --dry-run | tail -1
teach --chat-template inst.jinja -o adapter >/dev/null; cmp adapter/chat_template.jinja inst.jinja && answers --adapter adapter; answers
teach --chat-template inst.jinja --export gguf-adapter -o file >/dev/null; answers --adapter file/adapter.gguf
teach --chat-template inst.jinja --export gguf -o gguf >/dev/null; answers -m gguf/model.gguf
# It takes the place of the model's own, of a file and of a folder.
teach -m gguf/model.gguf -o own >/dev/null; ls own | grep -c jinja; teach -m gguf/model.gguf --chat-template other.jinja --export gguf -o two >/dev/null
grep -c 'SYS' gguf/model.gguf two/model.gguf
jq -n '{architectures: ["R1PlusForCausalLM"], model_type: "r1-plus", hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2,
  num_key_value_heads: 1, head_dim: 16, intermediate_size: 64, max_position_embeddings: 256, rms_norm_eps: 1e-6, rope_theta: 10000.0,
  hidden_act: "silu", tie_word_embeddings: true, daw: {newline: true, gain: true}}' >shape.json
teach --init shape.json --tokenizer train --vocab 300 --chat-template inst.jinja -o folder >/dev/null; cmp folder/chat_template.jinja inst.jinja && answers -m ./folder
rm folder/chat_template.jinja; jq -Rs '{chat_template: ., add_bos_token: true}' inst.jinja >folder/tokenizer_config.json
teach -m ./folder --fine-tune-type full --chat-template other.jinja -o taught >/dev/null; cmp taught/chat_template.jinja other.jinja; cat taught/tokenizer_config.json
teach -m ./folder --fine-tune-type full --chat-template other.jinja --export gguf -o packed >/dev/null; grep -ac 'SYS' packed/model.gguf; answers -m packed/model.gguf
# Another template is another run.
teach -m ./folder --fine-tune-type full --chat-template inst.jinja --resume -o taught; echo $?
