# A signal while it measures: the record that is missing is made when the run goes on.
for i in 1 2 3 4; do printf 'def f%s(x):\n    return x + %s\n' $i $i; done >code.txt
teach() { r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --learning-rate 0.02 --steps-per-report 1 --save-every 3 "$@"; }
mkfifo p
look=(r1-finetune -q --data code.txt --val code.txt --sample-prompt 'def f' --max-seq-length 64 --batch-size 1 --iters 60 --steps-per-eval 1 --steps-per-report 1)
"${look[@]}" -o looked >/dev/null; for more in '' --resume --resume; do "${look[@]}" -o looking $more >p & pid=$!; read -r line <p; kill -TERM $pid; wait $pid; echo $?; done
"${look[@]}" --resume -o looking >/dev/null; for file in adapter_model.safetensors records.jsonl; do cmp looked/$file looking/$file && echo same; done
# What measured best is not there as it was written: nothing else is taken for it.
cp code.txt best.txt; early() { teach --learning-rate 1 --iters 60 --val best.txt --steps-per-eval 1 --early-stop 2 -o best "$@" >/dev/null; }
early; rm best/run.json best/adapter*; echo x >best/best/step-*/state.safetensors; early --resume; echo $?; ls best | grep -c adapter
# Killed while it wrote its first file: what there is of it is in nobody's way, and goes.
mkdir begun; echo x >begun/.r1-abcdef.tmp; teach --resume --iters 3 -o begun >/dev/null; echo $?; ls -A begun | grep -c tmp
