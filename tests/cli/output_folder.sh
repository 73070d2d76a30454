# One file an input, mirrored below the folder; no name leads out of it; what is there stays.
mkdir -p here/a/b up; cd here || exit; printf 'def ' >a/b/x.py; printf 'x = ' >y; cp y ../up/z
r1-complete -n 4 -O res a/b/x.py y ../up/z "$PWD/y"; echo $?
find res -type f | sed "s|$PWD/|HERE/|; s|$(dirname "$PWD")/|UP/|" | LC_ALL=C sort
r1-complete -n 4 a/b/x.py | cmp - res/a/b/x.txt && echo same
printf old >res/y.txt
r1-complete --json --summary -n 4 -O res a/b/x.py y | jq -c '[.status, .id, .input.bytes, .warnings, .skipped]'; cat res/y.txt; echo
for how in overwrite append prepend error; do printf old >res/y.txt; r1-complete -n 4 -O res --if-exists $how y; echo "$how $?"; head -c 4 res/y.txt | od -An -c; tail -c 4 res/y.txt | od -An -c; done
printf old >res/y.txt; r1-complete -n 4 -O res -f y; cmp res/y.txt <(r1-complete -n 4 y) && echo replaced
# Two inputs with one file: the second is an error. Standard input has no name.
cp y y.py; cp y y.md; r1-complete --json -n 4 -O two y.py y.md - </dev/null | jq -c '[.id, .status, .error.code]'; ls two
# A link below the folder is not followed.
mkdir elsewhere; mkdir -p link; ln -s ../elsewhere link/a; r1-complete -n 2 -O link a/b/x.py; echo $?; ls elsewhere
# A result that cannot be stored is its item's error, and the status says so.
touch blocked; r1-complete --json -n 2 -O blocked y | jq -c '[.status, .error.code]'; echo "${PIPESTATUS[0]}"
