command -v vim >/dev/null || { echo "skipped: no vim"; exit; }
printf 'def f(x):\n    <CURSOR>\n' >f
vim -N -u NONE -es -c ":%!r1-complete --filter --cursor '<CURSOR>' -n 4 -m no/such" -c ':wq' f
cat f
