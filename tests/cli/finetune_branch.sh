# A run begins behind a checkpoint of another: with the same options it learns what that one learnt after it.
for i in 1 2 3 4; do printf 'def f%s(x):\n    return x + %s\n' $i $i; done >code.txt
teach() { r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --learning-rate 0.02 --lr-warmup 0 --steps-per-report 1 --save-every 2 "$@"; }
teach --schedule constant --iters 6 --keep-last 9 -o stem >stem.jsonl; ls -d stem/step-*
teach --schedule constant --iters 6 --resume-from stem/step-00000002/ -o same | diff - <(sed 1,2d stem.jsonl | jq -c '.index -= 2') && cmp {stem,same}/step-00000006/state.safetensors && echo same
jq -r .begun_behind same/run.json; ls -d stem/step-* | wc -l
# With others it learns something else, from the newest on: here the rate falls to nothing, and the pairs of steps are of two sequences.
teach --schedule wsd --decay-share 0.3 --iters 9 --batch-size 2 --resume-from stem -o fallen --val code.txt --steps-per-eval 2 | jq -c '[.step, .lr, .val_loss != null]'
# Broken off it goes on from its own, to the same bytes.
teach --schedule wsd --decay-share 0.3 --iters 9 --batch-size 2 -o broken --val code.txt --steps-per-eval 2 --resume --resume-from stem >whole.jsonl
rm -r broken/step-0000000[89] broken/adapter*; mv broken/run.json{,.partial}; teach --schedule wsd --decay-share 0.3 --iters 9 --batch-size 2 -o broken --val code.txt --steps-per-eval 2 --resume | tail -1 | cut -d, -f3- | diff - <(tail -1 whole.jsonl | cut -d, -f3-) && jq -r .begun_behind broken/run.json
# Without a step more, what was learnt up to there is exported.
teach --iters 6 --resume-from stem -o exported; cmp {stem,exported}/adapter_model.safetensors && echo same
# By time: what was learnt elsewhere costs none of it.
r1-finetune -q --data code.txt --max-seq-length 64 --batch-size 1 --resume-from stem --time-budget 2s -o timed | jq -s '.[-1].step > 9'
# What does not fit is refused.
try() { teach "$@"; echo $?; ls -d never 2>/dev/null; }
try --iters 5 --resume-from stem -o never; try --iters 9 --resume-from events -o never; try --iters 9 --resume-from stem -o stem/ -f; try --iters 9 --resume-from stem/step-00000004 -o stem -f
try --iters 9 --resume-from stem --rank 4 -o never; try --iters 9 --resume-from stem --rank 4 -o never --dry-run; try --iters 9 --allow-data-change -o never; r1-quantize -q "$TINY_MODEL" --type q8_0 -o blocks.gguf >/dev/null; try -m ./blocks.gguf --iters 9 --resume-from stem -o never
# Other data must be spelled.
echo 'x = 1' >>code.txt; try --iters 9 --resume-from stem -o never; try --schedule constant --iters 6 --keep-last 9 --resume -o stem
teach --iters 8 --resume-from stem --allow-data-change -o further | jq -c .step; rm -r stem/step-00000006 stem/run.json; mv stem/records.jsonl stem/records.jsonl.partial; teach --schedule constant --iters 6 --keep-last 9 --resume --allow-data-change -o stem | jq -c .step
