# What else a run writes, and where: side files to pipes, places without writing found before the work, names that are not what they seem.
cp $TINY_MODEL m.gguf; yes 'def f(x): return x' | head -40 >text
make() { r1-quantize -q m.gguf --type q8_0 "$@" >/dev/null; echo $?; }
mkfifo p q; cat p >manifest & cat q >imatrix & make --calibration text --manifest p --imatrix-out q -o a.gguf; wait
jq -c .calibration_tokens manifest; head -c 4 imatrix; echo; find p q -type p
make --manifest /proc/m.json -o b.gguf; make --manifest . -f -o b.gguf; make --manifest - -o b.gguf; make -o /proc/b.gguf; ls b.* 2>/dev/null
# Two products want two places, however these are spelt.
ln -s . here
for names in '--manifest ./x.gguf' '--manifest here/x.gguf.partial' '--manifest x.json --imatrix-out ./x.json' '--imatrix-out here/x.gguf' '--manifest here/x.gguf.partial.sums'; do make -f --calibration text -o x.gguf $names; done; ls x* 2>/dev/null
# A link that leads nowhere exists, a name in capitals ends in .gguf, standard output is none by any name, and a shard's name is not that of the whole.
ln -s nowhere c.gguf; ln -s nowhere c.json; make -o c.gguf; make -o d.gguf --manifest c.json; make -f -o c.gguf; find c.gguf -type f
make -o E.GGUF; cmp E.GGUF c.gguf && r1-complete -m ./E.GGUF -p x -n 1 >/dev/null && echo same; r1-quantize m.gguf --type q8_0 -o /dev/stdout >file; echo $?
make --shard-size 19K -o s-00001-of-00004.gguf
# A rehearsal fails as the run would, and writes nothing.
for out in E.GGUF nowhere/x.gguf /proc/x.gguf 'x.gguf --manifest E.GGUF'; do make --dry-run -o $out; done; make --dry-run -f -o E.GGUF
: >x.gguf.partial; make --dry-run -o x.gguf; make --dry-run --resume -o x.gguf; rm x.gguf.partial
mkdir w; echo '{}' >w/config.json; for out in w nowhere/w '. -f'; do r1-quantize "${0%/*}/../models/tiny/llama" --type fp8 --dry-run -o $out; echo $?; done; rm -r w
r1-quantize -q m.gguf --target-bpw 9 --calibration text --imatrix-out x --dry-run -o x.gguf | wc -l; ls x* 2>/dev/null
# What replaces a file is for the same eyes; nothing is written through a link; who does not read what is said ends nothing.
cp m.gguf n.gguf; chmod 600 n.gguf; make -f -o n.gguf; stat -c %a n.gguf; cp -r "${0%/*}/../models/tiny/llama" v; rm v/golden.json; chmod 700 v; r1-quantize "${0%/*}/../models/tiny/llama" -q --type fp8 -f -o v >/dev/null; stat -c %a v; rm -r v
ln -s victim x.gguf.partial; make -o x.gguf; make -f -o x.gguf; ls x.gguf victim 2>/dev/null; rm x.gguf.partial
(sleep 0.1; r1-quantize -q m.gguf --type q8_0 -f -o n.gguf; echo $? >status) | true; cat status; r1-quantize m.gguf --type q8_0 -f -o n.gguf >/dev/full; echo $?
# The manifest names what decided the bytes, and of a directory every file.
make --tensor-type 'ffn_down=q4_0' --keep norm --output-type f16 --embed-type q4_0 --pure --shard-size 1G --manifest f.json -o f.gguf
jq -c '[.type, .tensor_type, .keep, .output_type, .embed_type, .pure, .calibration_tokens, .shard_size]' f.json
cp -r "${0%/*}/../models/tiny/llama" base; rm base/golden.json; echo '{}' >base/tokenizer.json
r1-quantize -q ./base --type bf16 --shard-size 3K --manifest g.json -o g >/dev/null; jq -r '.outputs[] | .sha256 + "  " + .path' g.json | sha256sum -c
ls g | wc -l; jq '.outputs | length' g.json
# Choices that do not come out as they were meant.
r1-quantize m.gguf --type q8_0 --tensor-type 'ffn_dwn=q4_0' --keep attn_v --keep norm --dry-run -o h.gguf >/dev/null
r1-quantize m.gguf --type q8_0 --output-type f16 --embed-type q4_0 --dry-run -o h.gguf | cut -f1,4 | head -1
r1-quantize ./base --type fp8 --keep ffn_down --dry-run -o h >/dev/null
# What the command line says is meant, whatever contradicts it in a file.
printf '[r1-quantize]\ntype = "q4_0"\npure = true\nimatrix = "none.gguf"\n' >c
r1-quantize -q m.gguf --config c --target-bpw 9 --calibration text -o i.gguf >/dev/null; echo $?
r1-quantize --config c --target-bpw 9 --print-config | jq -c '[.type, .pure, .imatrix.value]'
make --config c --calibration text -o j.gguf; make --config c -o k.gguf
printf '[r1-quantize]\ntype = "q4_0"\ntarget-bpw = 9\n' >c; r1-quantize m.gguf --config c -o k.gguf; echo $?
# What a run says of itself.
r1-quantize -v m.gguf --type q8_0 --method gptq --awq --calibration text --log-file log -o l.gguf 2>&1 >/dev/null | sed 's/ [0-9.]* s$/ SECONDS/'
grep -c ' becomes ' log
