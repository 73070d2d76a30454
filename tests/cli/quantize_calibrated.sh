# What the model sees of a text decides which errors count; the matrix that is kept gives the same file.
yes 'def f(x): return x' | head -40 >text
r1-quantize -q $TINY_MODEL --type q4_0 --calibration text --imatrix-out im.gguf -o a.gguf >/dev/null; echo $?
r1-quantize -q $TINY_MODEL --type q4_0 --calibration text --imatrix-out im.gguf --resume -o again.gguf >/dev/null; echo $?; cmp again.gguf a.gguf && rm again.gguf
r1-quantize -q $TINY_MODEL --type q4_0 --imatrix im.gguf -o b.gguf >/dev/null; cmp a.gguf b.gguf && echo same
# The text is named as llama.cpp wants it, pipes are hashed as they were read, and a matrix of another model is none.
grep -ao 'imatrix[.][a-z_]*' im.gguf
r1-quantize -q $TINY_MODEL --type q4_0 --calibration <(cat text) --imatrix-out im2.gguf -o b.gguf --manifest m.json -f >/dev/null; jq -r '(.inputs[1], .outputs[1]).sha256' m.json | cmp - <(sha256sum text im2.gguf | cut -d' ' -f1) && echo true
r1-quantize -q $TINY_MODEL --type q4_0 --imatrix <(cat im.gguf) -o b.gguf --manifest m.json -f >/dev/null; jq -r '.inputs[1].sha256' m.json | cmp - <(sha256sum im.gguf | cut -d' ' -f1) && echo true
sed 's/blk[.]1[.]/blk.9./g' im.gguf >some.gguf; r1-quantize $TINY_MODEL --type q4_0 --imatrix some.gguf -f -o b.gguf >/dev/null; echo $?
sed 's/blk[.]/blk+/g; s/token_embd/taken_embd/g' im.gguf >other.gguf; r1-quantize $TINY_MODEL --type q4_0 --imatrix other.gguf -f -o b.gguf; echo $?; rm some.gguf other.gguf im2.gguf m.json
# A run that was broken off is gone on with by the matrix alone; before it writes there is nothing to go on with but what was there.
cp a.gguf z.gguf.partial; r1-quantize -q $TINY_MODEL --type q4_0 --imatrix im.gguf --resume -o z.gguf >/dev/null; cmp z.gguf a.gguf && echo same
mkfifo slow; broken() { env --default-signal=INT r1-quantize -q $TINY_MODEL --type q4_0 --calibration slow "$@" & pid=$!
  exec 3>slow; kill -INT $pid; cat text >&3; exec 3>&-; wait $pid; echo $?; }
broken -o y.gguf; mv z.gguf z.gguf.partial; broken --resume -o z.gguf; ls | grep '^[yz][.]'; rm slow z*
# Error feedback gives another one, the same for any number of threads.
for t in 1 2; do r1-quantize -q $TINY_MODEL --type q4_0 --calibration text --method gptq -t $t -o c$t.gguf >/dev/null; done
cmp c1.gguf c2.gguf && ! cmp -s a.gguf c1.gguf && r1-complete -m ./c1.gguf -p x -n 2 >/dev/null && echo runs
# Scales of channels go into the norms, whichever way rounding goes on from there.
r1-quantize -q $TINY_MODEL --type q4_0 --imatrix im.gguf --awq -o e.gguf >/dev/null; cmp -s a.gguf e.gguf || echo differs; r1-quantize $TINY_MODEL --type q4_0 --imatrix im.gguf --awq --keep 'attn_v|ffn_up|output' -f -o e.gguf >/dev/null; r1-quantize -q $TINY_MODEL --type q4_0 --imatrix im.gguf --awq -f -o e.gguf >/dev/null
r1-quantize -q $TINY_MODEL --type q4_0 --calibration text --awq --method gptq -o f.gguf >/dev/null; cmp -s c1.gguf f.gguf || echo differs
r1-quantize -q $TINY_MODEL --type q4_0 --calibration text --awq --method rtn -o g.gguf >/dev/null && r1-complete -m ./g.gguf -p x -n 2 >/dev/null && echo runs
# Types for a size: never above it, the same for any number of threads, and the more the less is lost.
for bits in 9 13; do
  for t in 1 2; do r1-quantize -q $TINY_MODEL --target-bpw $bits --calibration text -t $t --json -o h$bits.$t.gguf --manifest m$bits.$t; done >report
  cmp h$bits.1.gguf h$bits.2.gguf && jq -s 'map(.output.bpw <= '$bits' and .output.bpw > '$bits' - 2)' -c report
  jq -s '.[0].output.tensors | map(.mse) | add' report; jq -c '[.type, .target_bpw, .awq, .method]' m$bits.1
done >fits; jq -sc '[.[0], .[2], .[1] > .[4], .[3], .[5]]' fits
r1-quantize -q $TINY_MODEL --target-bpw 9 --calibration text --tensor-type ffn_down=f16 --dry-run -o i.gguf | awk -F'\t' '/ffn_down/ {print $4}' | uniq
r1-quantize $TINY_MODEL --target-bpw 5 --calibration text -o x.gguf; echo $?
r1-quantize $TINY_MODEL --target-bpw 9 -o x.gguf; echo $?
r1-quantize $TINY_MODEL --target-bpw 9 --type q8_0 --calibration text -o x.gguf; echo $?
jq -nc '{text:"def f(x): return x"}' >text.jsonl
r1-quantize -q $TINY_MODEL --type q8_0 --calibration text.jsonl -o d.gguf >/dev/null; echo $?
r1-quantize $TINY_MODEL --type q4_0 --method gptq -o x.gguf; echo $?
r1-quantize $TINY_MODEL --type q4_0 --method rtn --calibration text -o x.gguf; echo $?
for option in '--calibration text' '--imatrix im.gguf' '--calibration text --method gptq'; do r1-quantize $TINY_MODEL --type f16 $option -o x.gguf; echo $?; done
for option in '--tensor-type ffn_up=Q4_0' '--embed-type Q8_0' '--imatrix-out im3.gguf'; do r1-quantize -q $TINY_MODEL --type f16 --calibration text $option --dry-run -f -o x.gguf >/dev/null; echo $?; done
r1-quantize $TINY_MODEL --type q4_0 --awq -o x.gguf; echo $?
r1-quantize $TINY_MODEL --type q4_0 --imatrix im.gguf --calibration text -o x.gguf; echo $?
r1-quantize $TINY_MODEL --type q4_0 --imatrix-out y.gguf -o x.gguf; echo $?
r1-quantize $TINY_MODEL --type q4_0 --calibration missing -o x.gguf; echo $?
: >empty; r1-quantize $TINY_MODEL --type q4_0 --calibration empty -o x.gguf; echo $?
echo '{"txt":1}' >bad.jsonl; r1-quantize $TINY_MODEL --type q4_0 --calibration bad.jsonl -o x.gguf; echo $?
# Of a long text only the beginning is read, and a file of four bits keeps what a larger type would not make better.
(cat text; yes 'x = 1' | head -200000) >long; for from in text long; do r1-quantize -q $TINY_MODEL --type q4_0 --calibration $from --calibration-tokens 40 --imatrix-out im_$from.gguf -f -o x.gguf >/dev/null; sha256sum <x.gguf; done | uniq | wc -l; rm long im_text.gguf im_long.gguf
r1-quantize -q $TINY_MODEL --type q4_0 --pure --method rtn -f -o x.gguf >/dev/null; r1-quantize -q x.gguf --target-bpw 9 --allow-requantize --calibration text --json -o nine.gguf | jq -c '[.output.tensors[] | select(.from == "q4_0") | .to] | unique'; rm x.gguf nine.gguf
# Headers of shards count.
r1-quantize -q $TINY_MODEL --target-bpw 10 --shard-size 8K --calibration text --dry-run --json -o x.gguf | jq '.output.bpw <= 10'
# Error feedback by too few tokens can do harm.
printf 'one two' >few; r1-quantize $TINY_MODEL --type q4_0 --method gptq --calibration few -o few.gguf >/dev/null; rm few.gguf
ls
