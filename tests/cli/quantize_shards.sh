# A .gguf file that is cut: the names and keys of llama.cpp, the answers of one file, and each promise of one.
quantize() { r1-quantize "$@" | sed 's/[0-9a-f]\{64\}/SHA/'; }
cp $TINY_MODEL m.gguf
quantize m.gguf --type q8_0 --shard-size 1G -o one.gguf
quantize m.gguf --type q8_0 --shard-size 19K -o s.gguf --manifest m.json; ls s-*
jq -r '.outputs[].sha256' m.json | cmp - <(sha256sum s-*.gguf | cut -d' ' -f1) && echo sums
for m in one s-00001-of-00003; do r1-complete -m ./$m.gguf -p abc -n 8 >$m.txt; done; cmp one.txt s-00001-of-00003.txt && echo same
r1-quantize -q s-00001-of-00003.gguf --type q8_0 -o back.gguf >/dev/null; r1-complete -m ./back.gguf -p abc -n 8 | cmp - one.txt && echo back
r1-quantize m.gguf --type q8_0 --shard-size 19K --dry-run --json -o t.gguf | jq -c '[.id, .status]'
# What is there stays: shards, what another run left of them, and what is read.
r1-quantize m.gguf --type q8_0 --shard-size 19K -o s.gguf; echo $?
r1-quantize m.gguf --type q8_0 --shard-size 19K -f -o s.gguf --manifest s-00002-of-00003.gguf; echo $?
r1-quantize s-00001-of-00003.gguf --type q8_0 --shard-size 19K -f -o s.gguf; echo $?
sha256sum s-*.gguf >sums; for option in -o --manifest --imatrix-out; do r1-quantize s-00001-of-00003.gguf --type q8_0 --calibration m.json -f -o u.gguf $option s-00002-of-00003.gguf; echo $?; done; sha256sum -c --quiet sums
r1-quantize m.gguf --type q8_0 --shard-size 99999999999G -o t.gguf; echo $?
r1-quantize m.gguf --type q8_0 --shard-size 10 -o s.gguf | cut -f1; ls s-*-of-00003.gguf | wc -l
# Broken off in the second: gone on with, but only by the same run, and with nothing that no sums vouch for; after an error nothing is left.
mkdir old; mv s-*-of-00003.gguf old; cp old/s-00001* s-00001-of-00003.gguf.partial; head -c 20000 old/s-00002* >s-00002-of-00003.gguf.partial
r1-quantize m.gguf --type q8_0 --shard-size 19K -o s.gguf; echo $?
r1-quantize m.gguf --type q8_0 --method rtn --shard-size 19K --resume -o s.gguf; echo $?
r1-quantize m.gguf --type q8_0 --shard-size 19K --resume -o s.gguf -v >/dev/null 2>said; grep -o '[0-9]* of [0-9]* tensors are.*' said
for s in old/*; do cmp $s ${s#old/} && echo same; done; ls *.partial 2>/dev/null
# A disk that is full in the first shard, and in the second.
echo old >w-00003-of-00003.gguf; (trap '' XFSZ; ulimit -f 20; r1-quantize m.gguf --type q8_0 --shard-size 19K -f -o w.gguf); echo $?; cat w-*
cp old/s-00001* v-00001-of-00003.gguf.partial; (trap '' XFSZ; ulimit -f 16; r1-quantize m.gguf --type q8_0 --shard-size 19K --resume -o v.gguf); echo $?; ls v-* 2>/dev/null
