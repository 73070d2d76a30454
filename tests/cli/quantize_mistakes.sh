# Nothing is lost: outputs that are inputs, that exist, or that cannot be written.
cp $TINY_MODEL m.gguf; ln -s m.gguf link.gguf; ln m.gguf hard.gguf; cp m.gguf before.gguf
r1-quantize m.gguf --type q8_0 -f -o m.gguf; echo $?
r1-quantize link.gguf --type q8_0 -f -o m.gguf; echo $?
r1-quantize m.gguf --type q8_0 -f -o hard.gguf; echo $?
cmp m.gguf before.gguf && echo whole
r1-quantize m.gguf --type q8_0 -o before.gguf; echo $?
r1-quantize m.gguf --type q8_0; echo $?
r1-quantize m.gguf -o x.gguf; echo $?
r1-quantize m.gguf --type q9 -o x.gguf; echo $?
r1-quantize --type q8_0 -o x.gguf; echo $?
r1-quantize m.gguf --type q8_0 -o -; echo $?
r1-quantize m.gguf --type q8_0 --tensor-type 'a(=q4_0' -o x.gguf; echo $?
for re in '^(([a-z._0-9])+)+[!?]$' "$(printf '%25000s' | tr ' ' '(')$(printf '%25000s' | tr ' ' ')')"; do r1-quantize m.gguf --type q8_0 --keep "$re" -o x.gguf; echo $?; done
r1-quantize m.gguf --type q8_0 --tensor-type 'a=q4' -o x.gguf; echo $?
r1-quantize m.gguf --type q8_0 --imatrix m.gguf -o x.gguf; echo $?
r1-quantize missing.gguf --type q8_0 -o x.gguf; echo $?
r1-quantize m.gguf --type q8_0 -o nowhere/x.gguf; echo $?
r1-quantize -q m.gguf --type q8_0 -o small.gguf >/dev/null
r1-quantize small.gguf --type q4_0 -o x.gguf; echo $?
ls
# A disk that is full midway: the old file stays, and nothing of the new one.
echo old >old.gguf; (trap '' XFSZ; ulimit -f 20; r1-quantize m.gguf --type q8_0 -f -o old.gguf); echo $?; cat old.gguf; ls old.gguf*
# What a run left is gone on with, but only by the same run.
r1-quantize -q m.gguf --type q4_0 -o x.gguf >/dev/null; mv x.gguf want.gguf
head -c 30000 want.gguf >x.gguf.partial
r1-quantize m.gguf --type q4_0 -o x.gguf; echo $?
r1-quantize m.gguf --type q8_0 --resume -o x.gguf; echo $?
r1-quantize m.gguf --type q4_0 --method rtn --resume -o x.gguf 2>/dev/null; echo $?
r1-quantize -q m.gguf --type q4_0 --resume -o x.gguf >/dev/null; echo $?
cmp x.gguf want.gguf && ls x.gguf*
# Every output is a file of its own; a manifest names all that was read.
r1-quantize m.gguf --type q8_0 -o y.gguf --manifest y.gguf; echo $?
r1-quantize m.gguf --type q8_0 --output-type q4_k_m -o y.gguf; echo $?
r1-quantize -q m.gguf --type q8_0 -o y.gguf --calibration want.gguf --calibration-tokens 8 --manifest y.json >/dev/null
jq -c '[.inputs[].path]' y.json
# Where the type fits nothing, or takes more than what is there, it is said; large letters are no mistake.
cp -r "${0%/*}/../models/tiny/llama" base; r1-quantize ./base --type w4a16 -o nothing; echo $?; r1-quantize m.gguf --type Q8_0 --calibration-tokens 9 -o y.gguf; echo $?
r1-quantize m.gguf --type Q8_0 -o eight.gguf >/dev/null; echo $?; r1-quantize eight.gguf --type IQ4_NL --tensor-type '.*=f16' --allow-requantize -o larger.gguf >/dev/null; echo $?
r1-quantize "$TINY_MODEL" out.gguf q4_0 -o o.gguf --type q4_0; echo $?
seq 400 >text; r1-quantize "$TINY_MODEL" --allow-requantize --target-bpw 1 --calibration text -o o.gguf; echo $?
printf '[r1-quantize]\ntype = "q8_0"\n' >c.toml; r1-quantize m.gguf --config c.toml --manifest c.toml -f -o o.gguf; echo $?
r1-quantize "$TINY_MODEL" --allow-requantize --type q4_0 --pure -o four.gguf >/dev/null; r1-quantize four.gguf --target-bpw 9 --calibration text -o o.gguf; echo $?
