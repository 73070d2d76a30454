# A Hugging Face folder out of another: its files, the same bytes again, and one that is read.
cp -r "${0%/*}/../models/tiny/llama" base; rm base/golden.json; echo '{"any": "bytes"}' >base/tokenizer.json
r1-quantize ./base --type fp8 -o a | sed 's/[0-9a-f]\{64\}/SHA/'; ls a
r1-quantize -q ./base --type fp8 -o b/ -t 2 >/dev/null; diff -r a b && echo same
jq -c .quantization_config a/config.json
r1-quantize ./base --type fp8_block -o s --shard-size 3K --json --manifest m.json | jq -c '[.id, .status, .output.tensors[3].to, ([.output.tensors[].max_abs] | max < 0.1)]'; ls s
(cd s && sha256sum *.safetensors | sha256sum | cut -d' ' -f1) >sum; r1-quantize ./base --type fp8_block -o t --shard-size 3K | cut -f4 | cmp - sum && echo sum
jq -r '.outputs[].path' m.json | head -2
r1-quantize ./s --type bf16 -o plain >/dev/null && jq '.quantization_config' plain/config.json
r1-quantize ./base --type w4a16 --dry-run -o w | cut -f1-4 | sed -n 2,4p
# Nothing is lost: what is quantized, what exists, what is read, and what is no model.
r1-quantize ./a --type fp8_block -o x; echo $?
r1-quantize ./base --type fp8 -o a; echo $?
r1-quantize -q ./base --type fp8_block -f -o a >/dev/null; diff -r a b >/dev/null || echo replaced
mkdir home; : >home/notes
r1-quantize ./base --type fp8 -f -o home; echo $?
mkdir notm; echo '{}' >notm/config.json; echo thesis >notm/thesis.txt; : >notm/z
r1-quantize ./base --type fp8 -f -o notm; echo $?; cp -r notm n.partial; r1-quantize ./base --type fp8 -f -o n; echo $?; cat notm/thesis.txt n.partial/thesis.txt; rm -r notm n.partial
# What the model itself brings along is replaced, and so is the run's own manifest. What else lies beside it is left there.
cp -r base odd; echo 1 | tee odd/COPYING odd/data.jsonl odd/adapter_config.json >odd/notes.txt; r1-quantize -q ./odd --type fp8 -o odd8 >/dev/null
for i in 1 2; do r1-quantize -q ./odd --type fp8 -f -o odd8 --manifest odd8/made.json >/dev/null; echo $?; done
r1-quantize -q ./base --type fp8 -f -o odd8; echo $?; ls odd8; rm -r odd odd8
r1-quantize ./base --type fp8 -f -o base; echo $?
r1-quantize ./base/model.safetensors --type fp8 -f -o base/; echo $?
# Links that lead into what is replaced, and side files in it.
mkdir links; for f in b/*; do ln -s ../$f links/; done
r1-quantize ./links --type fp8 --allow-requantize -f -o b; echo $?; ls b
r1-quantize ./base --type w4a16 --keep . --imatrix b/config.json -f -o b; echo $?
r1-quantize ./base --type fp8 -f -o b --manifest links/../b/config.json; echo $?
r1-quantize ./base --type w4a16 --keep . --calibration m.json -f -o b --imatrix-out b/config.json; echo $?
r1-quantize "$TINY_MODEL" --type fp8 -o x; echo $?
r1-quantize ./base --type q4_0 -o x; echo $?
r1-quantize ./base --type fp8 -o x.gguf; echo $?
r1-quantize ./base --type fp8 --tensor-type a=f16 -o x; echo $?
r1-quantize ./base --type fp8 --method gptq --calibration m.json -o x; echo $?
r1-quantize ./base --type fp8 -o nowhere/x; echo $?
# What would be no model that runs.
cp -r base odd; sed -i 's/"num_hidden_layers": *[0-9]*/"num_hidden_layers": 9/' odd/config.json; for t in fp8 bf16 w4a16; do r1-quantize ./odd --type $t -o x; echo $?; done
sed -i 's/LlamaForCausalLM/OtherForCausalLM/' odd/config.json; r1-quantize ./odd --type fp8 -o x; echo $?
cp base/* odd; rm odd/tokenizer.json; r1-quantize ./odd --type fp8 -o x | cut -f1; rm -r odd x
ls
