# Under a terminal it shows how far it is, and what the model says by now; stdout has records alone.
command -v script >/dev/null || { echo "skipped: no script"; exit; }
for i in 1 2 3 4; do printf 'def f%s(x):\n    return x + %s\n' $i $i; done >code.txt
teach() { script -qec "r1-finetune --data code.txt --max-seq-length 64 --batch-size 1 --time-budget 4s $* >records" /dev/null </dev/null >seen; jq -r .schema records | sort -u; }
teach -o one --sample-prompt def; grep -c 'r1-finetune:.* step 0: def \.\.\. ' seen; tr '\r' '\n' <seen | grep -cE 'step [0-9]+ of [0-9]+, loss [0-9.]+, [0-9]+ tokens/s, [0-9]+ % of peak, [0-9]+ s left$' | sed 's/[0-9]*[1-9][0-9]*/some/'
teach --no-progress -o two; grep -c "tokens/s" seen; grep -c "r1-complete -m .*tiny.gguf --adapter two uses what was learnt" seen
