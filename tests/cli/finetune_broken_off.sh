# A signal ends the run behind a checkpoint, and what it learnt by then is drawn.
for i in 1 2 3 4; do printf 'def f%s(x):\n    return x + %s\n' $i $i; done >code.txt
teach() { r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --learning-rate 0.02 --steps-per-report 1 --save-every 3 "$@"; }
mkfifo p; r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --iters 1000000 --steps-per-report 1 -o one >p & pid=$!
read -r line <p; kill -TERM $pid; wait $pid; echo $?
ls one | sed 's/step-.*/a checkpoint/'; grep -c '<polyline' one/loss.svg
# So does a disk that is full while a checkpoint is written: the one before is whole, and the run goes on from it to the same bytes.
teach --iters 8 -o whole >/dev/null; cp -r whole cut; rm -r cut/step-0000000[68] cut/run.json cut/adapter* cut/loss.svg; mv cut/records.jsonl cut/records.jsonl.partial
for most in 4 80 112; do (trap '' XFSZ; ulimit -f $most; teach --iters 8 --resume -o cut | tail -1 | jq -c '[.error.code, .error.retryable]'; exit ${PIPESTATUS[0]}); echo $?; done
ls cut cut/step-*; grep -c '<polyline' cut/loss.svg
teach --iters 8 --resume -o cut >/dev/null
for file in adapter_model.safetensors records.jsonl loss.svg step-00000008/state.safetensors; do cmp "whole/$file" "cut/$file" && echo same; done
# A log that cannot be written costs no step: the run ends behind a checkpoint of the last one.
logged=$(trap '' XFSZ; ulimit -f 28; r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --rank 1 --iters 5000 --steps-per-report 1 --save-every 5000 -o logged | jq -s 'map(.step) | max'); ls -d logged/step-* | grep -c "0$((logged + 1))$"; r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --rank 1 --iters 5000 --steps-per-report 1 --save-every 5000 --resume -o logged | head -1 | jq ".step - $logged"
# What an export left that was killed is no hindrance.
cp -r whole left; mkdir -p left/export.partial/export.partial; touch left/export.partial/export.partial/whole.gguf; teach --iters 8 --resume --export gguf-adapter -o left >/dev/null; echo $?; ls left/export.partial 2>/dev/null; ls left/adapter.gguf
# A checkpoint of another version says what it lacks.
rm cut/run.json; mv cut/records.jsonl cut/records.jsonl.partial; sed -i 's/"untaught":[^,]*,//' cut/step-00000008/manifest.json; teach --iters 8 --resume -o cut; echo $?
# What was learnt is exported in another way without a step more.
cp -r whole other; teach --iters 8 -o other --resume --export gguf-adapter | wc -l; ls other/adapter.gguf; cmp other/step-00000008/state.safetensors whole/step-00000008/state.safetensors && echo same
# Records that standard output cannot take are said at the end, where they are not merely unread; the run's folder has them all.
teach --iters 2 -o lost >/dev/full; echo $?; wc -l <lost/records.jsonl; teach --iters 2 -o unread | head -0; echo ${PIPESTATUS[0]}
# One run at a time, and nothing of another is left beside what a new one wrote.
touch lost/chat_template.jinja; mkdir busy; flock busy r1-finetune -q --data code.txt --iters 1 -o busy; echo $?
teach --iters 2 -f --fine-tune-type full --export-type f32 -o lost >/dev/null; ls lost
# The same data and the same model are that under any name, and a table is made of what there is.
mkdir elsewhere; cp code.txt "$TINY_MODEL" elsewhere; r1-finetune -qm elsewhere/tiny.gguf --data elsewhere/code.txt --max-seq-length 64 --batch-size 1 --learning-rate 0.02 --steps-per-report 1 --save-every 3 --iters 8 -o whole --resume --log-csv table.csv; echo $?; cut -d, -f1 table.csv | tail -2
# Another run is not gone on with, and what differs is named.
try() { r1-finetune --data code.txt --max-seq-length 64 --batch-size 1 --iters 1000000 --resume -o one "$@" >out; echo "$? $(wc -c <out)"; }
try --steps-per-report 1 --iters 200; try --rslora --rank 4; try --target-modules q_proj --qat q8_0; try --micro-batch 1
r1-finetune --data code.txt --max-seq-length 64 --batch-size 1 --resume --time-budget 2h -o one; echo $?
cp code.txt other.txt; try --val other.txt; echo x >>code.txt; try; rm one/run.json.partial; try
# What -f replaces stays until there is another, and then none of it is left; --resume makes something else of the same run, beside it.
products() { ls five | grep -E 'adapter|model|replaces' | tr '\n' ' '; echo; }
again() { r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --iters 3 -o five "$@" >/dev/null; products; }
again; r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --iters 1000000 --steps-per-report 1 -o five -f --export gguf-adapter >p & pid=$!
read -r line <p; kill -TERM $pid; wait $pid; products
again -f --export gguf-adapter; again --resume
# It stays too where the disk is full when something else is written.
(trap '' XFSZ; ulimit -f 130; again -f --rank 1 --export gguf --export-type f32); again --resume --rank 1 --export gguf --export-type f32
