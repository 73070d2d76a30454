# A folder stands for the texts in it; what a run wrote there itself is never learnt.
mkdir -p src/deep; printf 'a = 1\n' >src/b.py; printf 'b = 2\n' >src/deep/a.py; printf '{"text":"c = 3"}\n{"text":"d = 4"}\n' >src/c.jsonl; : >src/__init__.py; printf '\0\1' >src/a.bin; echo '{}' >src/set.json
teach() { r1-finetune -q --max-seq-length 64 --batch-size 1 --iters 2 "$@"; }
r1-finetune --data src --dry-run --json 2>said | jq -c .data.samples; cat said >&2
teach --data src --val src/deep -o src/learnt | jq -s length; jq -c '[.data[].path], [.val[].path]' src/learnt/run.json
teach --data src --val src/deep -o src/learnt --resume -v; echo $?
mkdir none; echo '{}' >none/a.json; teach --data none -o out_; echo $?; ls -d out_ 2>/dev/null
cd src; teach --data . -o out_ >/dev/null; jq -c '[.data[].path]' out_/run.json
