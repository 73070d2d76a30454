# What cannot be learnt is said before the first step.
try() { r1-finetune "$@" >out; echo "$? $(wc -c <out)"; }
printf 'abc\n' >a.txt; printf '{"text":"a"}\n{"txt":1}\n' >bad.jsonl
try; try --data a.txt; try --data none.txt -o out_; try --data bad.jsonl -o out_; try --data a.txt -o out_ word
try --data a.txt --optimizer muon -o out_; try --data a.txt --fine-tune-type full --target-modules 'q*' -o out_
try --data a.txt --early-stop 2 -o out_; try --data a.txt --learning-rate fast -o out_; try --data a.txt --iters 0 -o out_
try --data a.txt --target-modules z_proj -o out_; try --data a.txt --fine-tune-type full --export adapter -o out_
try --data a.txt --export merged -o out_; try --data <(cat a.txt) -o out_; try -m ./none.gguf --data a.txt -o out_
try --data a.txt --fine-tune-type full --quantize-base q8_0 -o out_; try --data a.txt --quantize-base q4_k -o out_; try --data a.txt --alpha 0 -o out_; r1-quantize -q "$TINY_MODEL" --type q8_0 -o small.gguf >/dev/null
mkfifo pipe; try --data a.txt --log-csv pipe -o out_; try --data a.txt --time-budget 0s -o out_; try --data a.txt --precision fp8 -o out_; try --data a.txt --precision int8 -o out_; try --data a.txt --precision f16 -o out_; try --data a.txt --weight-type bf16 -o out_; try --data a.txt --fine-tune-type full --weight-type bf16 --precision fp8 -o out_; try --data a.txt --objective dpo -o out_; try --data bad.jsonl --objective dpo -o out_; try --data a.txt --objective dpo --fim-rate 0.5 -o out_; try --data a.txt --objective dpo --no-mask-prompt -o out_; try --data a.txt --objective dpo --long cut -o out_; try --data a.txt --objective dpo --fine-tune-type full -o out_
try --data a.txt --fine-tune-type dora --export gguf-adapter -o out_; try --data a.txt --fine-tune-type full --export gguf-adapter -o out_
try -m ./small.gguf --data a.txt --quantize-base q4_0 -o out_; try -m ./small.gguf --data a.txt --export gguf -o out_
mkdir full; touch full/x; for how in '' --resume -f; do try --data a.txt $how -o full; done; ls full
try --data a.txt --sample-prompt @none.txt -o out_; try --data a.txt --sample-prompt @none.txt --dry-run
echo {} >full/run.json; mv a.txt full/records.jsonl; try --data full/records.jsonl -f -o full; mv full/records.jsonl full/loss.svg; try --data full/loss.svg -f -o full; mv full/loss.svg full/model.gguf; try --val full/model.gguf --data full/x -f -o full; mv full/model.gguf a.txt
mkdir events; touch events/events.out.tfevents.0000000000.r1-finetune; try --data a.txt --tensorboard events -o out_
try --data a.txt --export gguf --export-type q9 -o out_
try --data a.txt --beta 1 -o out_; try --data a.txt --decay-share 0.1 -o out_; try --data a.txt --sample-tokens 9 -o out_
try --data a.txt --steps-per-eval 9 -o out_; try --data a.txt --export-type q8_0 -o out_; try --data a.txt --qat q4_0 --export gguf --export-type q8_0 -o out_
try --data a.txt --val a.txt --val-share 0.1 -o out_; try --data a.txt --val-share 0.1 -o out_
printf 'one\ntw\377o\n' >latin.txt; try --data latin.txt -o out_; printf 'PK\0\3\n' >a.zip; try --data a.txt --val a.zip -o out_
try --data a.txt --iters 5 --epochs 1 -o out_; try --data - -o out_ <a.txt
printf '[\n{"text":"a"}]' >list.json; try --data list.json -o out_
# What is taught is not replaced by what comes of it, nor by records.
mkdir mine; echo {} >mine/run.json; cp "$TINY_MODEL" mine/model.gguf; try --data a.txt --iters 1 -m mine/model.gguf -o mine -f; ls mine
try --data a.txt -m mine/model.gguf --log-csv mine/model.gguf -f -o out_; cp a.txt say; try --data a.txt --sample-prompt @say --log-csv say -f -o out_
try --data a.txt --log-csv - -o out_; try --data a.txt --log-csv out_/run.json -o out_; try --data a.txt --log-csv out_ -o out_
# What an earlier run made stays until there is something else.
mkdir had; echo {} >had/run.json; touch had/adapter_model.safetensors; try --data a.txt -f -o had --log-csv none/x; try --data a.txt -f -o had --tensorboard a.txt; ls had
printf '[r1-finetune]\nrank = 4\nearly-stop = 2\nexport-type = "q8_0"\n' >c.toml
r1-finetune --config c.toml --data a.txt --fine-tune-type full --dry-run -m "$TINY_MODEL" >/dev/null; echo "$?: of a file, what changes nothing is no mistake"
try --config c.toml --data a.txt --log-csv c.toml -f -o out_
ls -d out_ 2>/dev/null; exit 0
