# A text is learnt beside the weights: records, files, the same bytes for any number of threads, and what uses them.
for i in 1 2 3 4; do printf 'def f%s(x):\n    return x + %s\n' $i $i; done >code.txt
teach() { r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --iters 8 --learning-rate 0.02 --steps-per-report 4 "$@"; }
teach --val code.txt --log-csv log.csv --tensorboard events -o one >log.jsonl; jq -c '[.schema, .index, .id, .tokens]' log.jsonl
jq -s '.[-1].val_loss < .[0].val_loss' log.jsonl; cut -d, -f1,4 log.csv; ls events
ls one; jq -r '.peft_type, .r, (.target_modules | join(" "))' one/adapter_config.json; jq -c '[.schema, .iters, (.data[0].path)]' one/run.json
teach -t 2 -o two >/dev/null; cmp one/adapter_model.safetensors two/adapter_model.safetensors && echo same
r1-complete -p 'def f' -n 6 >bare; r1-complete --adapter one -p 'def f' -n 6 >taught; cmp -s bare taught || echo another answer
recipe() { echo '{"prompt":"def f"}' | r1-complete "$@" -n 6 --jsonl | jq -r .params.recipe; }; [ "$(recipe)" = "$(recipe --adapter one)" ] || echo another recipe
echo '{"prompt":"def f"}' >asked; for more in '' '--resume --dry-run'; do r1-complete --adapter one --jsonl -n 2 -o answers.jsonl $more asked >/dev/null; echo $?; done
r1-complete --adapter one -p x --dry-run | sed -n 3p | cut -f 1,4; r1-complete --adapter one -p x --dry-run --json | jq -c '.adapter.path, .adapter.bytes > 1000'
# What it makes of a prompt is shown while it learns, and changes nothing.
teach --sample-prompt 'def f' --sample-prompt @code.txt --sample-tokens 6 -o shown >log.jsonl; jq -c '[.step, (.samples | length)]' log.jsonl; cmp log.jsonl shown/records.jsonl
cmp one/adapter_model.safetensors shown/adapter_model.safetensors && echo same; [ "$(tail -1 log.jsonl | jq -r '.samples[0]')" = "$(r1-complete --adapter shown --no-heal -p 'def f' -n 6)" ] && echo same
# A rehearsal writes nothing.
teach --dry-run -o rehearsed | sed 's/peak is .*/peak is/'; teach --dry-run --json | jq -c '.schema, .model.name == env.R1_MODEL, (.memory | .total == ([.[]] | add) - .total - ([.checkpoint, .verification] | min)), .disk > .memory.checkpoint, .data, .steps, .flop_per_step, .data_flop_per_step, (.data_flop_per_step * .steps / .peak_flop_s / .seconds_at_peak * 1e6 | round)'; ls -d rehearsed 2>/dev/null
untimed() { r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --learning-rate 0.02 --steps-per-report 4 "$@"; }
untimed --dry-run --time-budget 300ms | sed -n 2p; untimed --dry-run --time-budget 2h | sed -n '3s/peak is .*: [0-9]* steps, or [0-9]* at/peak is … at/p'; teach --dry-run --device cuda | sed -n 3p
# What takes more memory than it may is not begun.
teach --max-memory 1M -o tight | jq -c '[.error.code, .error.retryable]'; ls -d tight 2>/dev/null; teach --max-memory 1M --dry-run >/dev/null; echo $?
# No more sequences a step than there are, unless they are asked for.
for more in '' '--batch-size 3'; do r1-finetune --data code.txt --dry-run $more 2>&1 >/dev/null | cut -d, -f1; r1-finetune -q --data code.txt --dry-run --json $more | jq -c .batch_size; done
# Broken off, it goes on with what would have come: what is dropped too.
teach --dropout 0.2 -o three --save-every 3 --iters 8 >whole.jsonl; cmp whole.jsonl three/records.jsonl && echo same
teach --dropout 0.2 -o four --save-every 3 --iters 8 | head -0; rm -r four/step-00000008 four/run.json four/adapter*
teach --dropout 0.2 -o four --save-every 3 --iters 8 --log-csv four.csv --resume | diff - <(tail -1 whole.jsonl | sed 's/"index":1/"index":0/') && cmp three/adapter_model.safetensors four/adapter_model.safetensors && echo same
for file in records.jsonl loss.svg; do cmp three/$file four/$file && echo same; done; cut -d, -f1,4 four.csv
python3 -c 'import xml.etree.ElementTree as tree; print([len(tree.parse("one/loss.svg").getroot().findall("{http://www.w3.org/2000/svg}" + tag)) for tag in ("polyline", "circle")])'
teach --dropout 0.2 -o four --save-every 3 --iters 8 --resume -v; echo $?
teach --dropout 0.2 -o four --save-every 3 --iters 9 --resume; echo $?
# Over before its steps are: when nothing is won any more, and when the time is.
printf 'nothing like that' >other.txt; teach --learning-rate 1 --iters 60 --val other.txt --steps-per-eval 1 --early-stop 2 -o stopped | jq -s '.[-1].step < 60'; ls stopped/best | wc -l
r1-finetune --data code.txt --max-seq-length 64 --batch-size 1 --learning-rate 1 --iters 60 --val other.txt --steps-per-eval 1 --early-stop 1 -o noted 2>&1 >/dev/null | grep -o 'the measured loss was least after step'
# What cannot change a run is told.
jq -cn '{prompt: "a", completion: "b"}' >asked.jsonl; for data in code.txt asked.jsonl; do r1-finetune --data $data --dry-run --fim-rate 0.5 2>&1 >/dev/null | grep fim-rate; done
for more in '' '--early-stop 5'; do r1-finetune --data code.txt --dry-run --val code.txt --iters 5 --steps-per-eval 1 --early-stop 3 $more 2>&1 >/dev/null | grep early-stop; done
teach --learning-rate 0 --iters 2 --val other.txt -v -o as_before 2>&1 >/dev/null | grep -o 'never less after'
teach --val-share 0.3 --sample-tokens 1 --sample-prompt x -o parted | jq -s 'map(.val_loss | type) | unique'; teach --val-share 0.3 --dry-run --json | jq -c '[.data.samples, .data.measured]'; teach --dry-run --json | jq -c '[.data.samples, .data.measured]'
# What is left out of either is counted, and so is what is not measured of many.
for i in 1 2 3; do echo '{"prompt":"p","completion":"'"$(seq -s ' ' $((i * i * i * 5)))"'"}'; done >long.jsonl; r1-finetune --data long.jsonl --val long.jsonl --max-seq-length 64 --iters 1 --batch-size 1 -o long -v 2>&1 >/dev/null | grep -E 'samples? of|not '
seq 300 | sed 's/.*/{"text":"x = &"}/' >many.jsonl; teach --val many.jsonl --no-packing --dry-run | head -1
untimed --time-budget 2s -o timed | jq -s '.[-1].step > 3'; untimed --time-budget 1h --iters 8 -o bounded | jq -s '.[-1].step'; untimed --time-budget 1h --iters 8 --dry-run | sed -n 2p
teach --timing -o measured | jq -s '.[-1] | .tok_s > 0 and .share_of_peak > 0 and .share_of_peak < 1'; grep -c share measured/records.jsonl
# The same as one file.
teach --export gguf-adapter -o file >/dev/null; ls file; r1-complete --adapter file/adapter.gguf -p 'def f' -n 6 | cmp - taught && echo same
r1-complete -m ./file/adapter.gguf -p x; echo $?
# A byte order mark is no sample, and a default that depends on other things is said in words.
printf '\xef\xbb\xbf{"text":"x = 1"}\n' >marked.jsonl; r1-finetune -q --data marked.jsonl --dry-run --json | jq .data.samples
r1-finetune --print-config | jq -c '."learning-rate", .rank'; r1-finetune --learning-rate 0.1 --print-config | jq -c '."learning-rate"'
# It is taught further from where it was, in its own form, and measured beside the model as it was.
teach --adapter one -o further | tail -1 | jq --slurpfile begun log.jsonl '.loss < $begun[-1].loss'; cmp -s one/adapter_model.safetensors further/adapter_model.safetensors || echo another; cmp one/adapter_config.json further/adapter_config.json && echo same
r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --learning-rate 0 --iters 1 --adapter one -o unmoved >/dev/null; cmp one/adapter_model.safetensors unmoved/adapter_model.safetensors && echo same
teach --fine-tune-type dora -o lengths >/dev/null; teach --adapter lengths -o lengths2 >/dev/null; jq .use_dora lengths2/adapter_config.json
for wrong in '--adapter none' '--adapter one --rank 4' '--adapter one --fine-tune-type dora' '--adapter one --fine-tune-type full' '--adapter file'; do r1-finetune --data code.txt -o never $wrong; echo $?; done; r1-finetune --data code.txt --iters 1 --adapter one -f -o one; echo $?
r1-bench --quality code.txt -m "$TINY_MODEL" --base "$TINY_MODEL" --adapter further/ --jsonl | jq -c '[(.model.name | split("/")[-1]), (.model.digest | contains("+")), .quality.kl > 0]'
r1-bench -q -m "$TINY_MODEL" --adapter one --prompt-tokens 8 -n 0 --repeat 1 --min-time 0s --jsonl | jq -c '[(.model.name | split("/")[-1]), .status]'
# Lengths of rows too; merged they answer alike.
teach --fine-tune-type dora -o dora >/dev/null; jq -r .use_dora dora/adapter_config.json; r1-complete --adapter dora -p 'def f' -n 6 >beside; cmp -s bare beside || echo another answer
teach --fine-tune-type dora --export gguf --export-type f32 -o merged >/dev/null; r1-complete -m merged/model.gguf -p 'def f' -n 6 | cmp - beside && echo same
# Beside packed matrices; what is merged is merged into the model's own numbers, or the run would not end well.
teach --quantize-base q4_0 --export gguf --export-type f32 -o packed >/dev/null; ls packed; teach --quantize-base q4_0 -o beside_packed >/dev/null; r1-quantize -q "$TINY_MODEL" --type q8_0 -o blocks.gguf >/dev/null
bf16() { r1-finetune --data code.txt --max-seq-length 64 --iters 1 --precision bf16 "$@" 2>&1 >/dev/null | grep changes || echo it rounds; }; bf16 -m ./blocks.gguf -o blocks; bf16 --quantize-base q4_0 -o some_blocks
# In bf16, there and when it is read again.
teach --precision bf16 --export gguf --export-type f32 -o half | jq -s '.[-1].loss < .[0].loss'; teach --precision bf16 -o half_adapter >/dev/null
# One answer is liked better than another: log 2 at first, and less in the end.
for i in 1 2 3 4; do echo '{"prompt":"def f'$i'(x):","chosen":" return x","rejected":" pass"}'; done >pairs.jsonl
like() { r1-finetune -q --data pairs.jsonl --objective dpo --max-seq-length 64 --batch-size 1 --iters 12 --learning-rate 0.02 --steps-per-report 4 "$@"; }
like --val pairs.jsonl --steps-per-eval 12 -o liked | jq -s '(.[0].val_loss * 1e4 | round), .[-1].val_loss < 0.3'
# All weights, and what is made of them.
teach --fine-tune-type full --optimizer muon --export-type f32 -o full >/dev/null; ls full; r1-complete -m full/model.gguf -p 'def f' -n 6 | wc -l
