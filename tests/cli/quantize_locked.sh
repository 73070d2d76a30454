# One run at a time writes an output: a file, a shard, a directory. The second says so, and leaves all as it was.
cp $TINY_MODEL m.gguf; cp -r "${0%/*}/../models/tiny/llama" base; rm base/golden.json
make() { name=$1; flock $name r1-quantize -q m.gguf --type q8_0 "${@:2}"; echo $?; }
printf half >x.gguf.partial; echo sums >x.gguf.partial.sums
make x.gguf.partial -o x.gguf; make x.gguf.partial -f -o x.gguf; make x.gguf.partial --resume -o x.gguf; cat x.gguf.partial x.gguf.partial.sums; echo
make x.gguf.partial --dry-run -f -o x.gguf | wc -l
make x.gguf.partial -f -o y.gguf | cut -f1; cp y.gguf old.gguf
# It has its name already, and that run is not done: no file of the second is left.
make y.gguf -f -o y.gguf; cmp y.gguf old.gguf; ls y.*
r1-quantize -q m.gguf --type q8_0 --shard-size 19K -o s.gguf >/dev/null; echo sums >s-00001-of-00003.gguf.partial.sums
make s-00001-of-00003.gguf --shard-size 19K --resume -o s.gguf; make s-00002-of-00003.gguf --shard-size 19K -f -o s.gguf; ls s-*
folder() { name=$1; flock $name r1-quantize -q ./base --type fp8 "${@:2}" >/dev/null; echo $?; }
mkdir d.partial; echo '{}' >d.partial/config.json; folder d.partial -o d; folder d.partial -f -o d; folder d.partial --resume -o d; ls d.partial
folder . -f -o d; folder d -f -o d; ls -d d*; ls d
# Two at once: one of them writes.
for i in 1 2; do { r1-quantize -q m.gguf --type q8_0 -f -o z.gguf >/dev/null 2>z$i; echo $? >z$i.rc; } & done; wait
grep -qx 0 z1.rc z2.rc && cmp z.gguf y.gguf && ls z.*
