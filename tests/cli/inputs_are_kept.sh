# No result replaces what is read, in whatever way that was named, with -f neither.
say() { echo "$1" >"$1"; }
for f in b.txt b.md; do say $f; done; printf 'b.txt\nb.md\n' >names
r1-complete -n 2 --files-from names -w --sidecar-ext .md -f; echo $?; cat b.md
r1-complete -n 2 --files-from - -w --sidecar-ext .md -f --extra b.md <<<b.txt; echo $?; cat b.md
printf 'list.py\n' >list.txt; say list.py; r1-complete -n 2 --files-from list.txt -w -f; echo $?; cat list.txt
r1-complete --json nofile.py >nofile.txt; echo $?; say nofile.py; cp nofile.txt before; r1-complete -n 2 --only-failed nofile.txt -w; echo $?; cmp before nofile.txt
say c.py; for read in '-p @c.py' '-p x --suffix @c.py' '-p x --extra c.py' '--prefix-file c.py' '--chat -p x --system @c.py'; do
  r1-complete $read -o c.py -f; echo $?; done; cat c.py
: >k.toml; r1-complete --config k.toml -p x -o k.toml -f; echo $?
say a.py; r1-complete -n 2 --json -w -o a.txt a.py | cut -c1-20; echo $?; jq -c '[.id, .status, .error.message]' a.txt
# What a broken run left is no place for results where it is read.
echo '{"prompt":"x","max_tokens":1}' >q.jsonl.partial; r1-complete --jsonl q.jsonl.partial -o q.jsonl -f; echo $?; ls q.jsonl*
# Only records of this tool are gone on with.
printf 'int main(){}' >prog.c; r1-complete --json -p x -o prog.c --resume; echo $?; cat prog.c; echo
echo '{"schema":"r1.bench/1","id":"mine","status":"error"}' >r; r1-complete --json -p x -o r --resume; echo $?; cat r
# A folder with two names; links; what is no file.
mkdir d; say d/a.py; say d/a.md; ln -s d l; r1-complete -n 2 -w d/a.py l/a.md; echo $?
ln -s nowhere dangling; r1-complete -n 2 -p x -o dangling; echo $?
mkfifo p.txt; say p.py; r1-complete -n 2 -w -f p.py; echo $?; test -p p.txt && echo pipe
mkdir out; say secret; ln -s ../secret out/s.txt; say s.py; r1-complete -n 2 -O out --if-exists append s.py; echo $?; cat secret
