# What a configuration says is for where it means something: it ends no other run.
rec() { printf '{"schema":"r1.bench/1","id":"%s","samples_ns":[1,2,3,4]}\n' "$1"; }
rec a >old; rec a >new
bench() { r1-bench -q --config c.toml "$@"; }
short="-m $TINY_MODEL --prompt-tokens 4 -n 0 --min-time 0s --repeat 1"
with() { printf '[r1-bench]\n%s\n' "$1" >c.toml; shift; "$@" >out; echo $?; }
with 'fail-if-slower = "5%"' bench $short
with 'requests = 3
rate = 2
spread = 2
lengths = "none"' bench $short
with 'ops = "*norm*"' bench $short
with 'depth = "4"
prompt-tokens = "9"
adapter = "none"' bench --compare old new
with 'model = ["none"]' bench --compare old new
with 'model = ["none"]' bench --ops 'op:rms_norm/512x2048' --min-time 0s --repeat 1
with 'format = "md"' bench $short --json; jq -r '.[].id' out
with 'format = "benchstat"' bench --compare old new; head -1 out
with 'format = "md"' bench --compare old new; head -1 out
# Where it means something it counts, and a mistake there is named.
with 'fail-if-slower = 0.05' bench --compare old new
rec b >b; sed 's/1,2,3,4/9,9,9,9/' old >slow
with 'fail-if-slower = 0.05' bench --compare old slow
with 'fail-if-slower = 5' bench --compare old new
