# How well models predict a text: fields, every form, one pass for several, and what was held against what.
cat >text.py <<'END'
def lower(text):
    return text.lower()


for i in range(10):
    if i in (1, 2, 3):
        print(lower("A"), i)
    else:
        return re.match(lower("Word"), text)
END
cp $TINY_MODEL tiny.gguf
bench() { r1-bench -q --quality text.py "$@"; }
rounded='walk(if type == "number" then (if . == 0 then 0 else (log10 | floor) as $e | (. / pow(10; $e - 2) | round) * pow(10; $e - 2) | . * 1e6 | round / 1e6 end) else . end)'
bench -m ./tiny.gguf --base r1-plus-mini -m r1-plus-mini --window 64 --jsonl >out; echo $?
head -1 out | jq -c '.quality | keys_unsorted'
jq -c '[.index, .id, .status, .test.kind, .samples_ns, .tokens_per_s, .model.name]' out
jq -c 'select(.index == 1) | .quality | '"$rounded" out
jq -s '.[0].quality | .tokens, .bytes, (.perplexity / 7.87 - 1 | fabs) < 0.01' out  # bf16 is in it
jq -r '.warnings[]' out
# A model is at no distance from itself, and the figures are those it has alone.
jq -c 'select(.index == 2) | .quality | [.base, .kl, .kl_se, .top1, .perplexity_ratio]' out
bench -m r1-plus-mini --window 64 --jsonl | jq -c .quality.perplexity | cmp - <(jq -s '.[0].quality.perplexity' out) && echo same
# The same on the plainest backend, to the bits of f32.
for device in cpu ref; do bench -m ./tiny.gguf --window 64 --device $device --jsonl | jq .quality.perplexity; done >both
jq -s '(.[0] / .[1] - 1 | fabs) < 1e-6' both
# What a cache costs: a model against itself, whose own cache keeps what it multiplies in.
for kv in f32 f16 q8_0; do bench --base r1-plus-mini -m r1-plus-mini --dtype f32 --kv-type $kv --jsonl; done |
  jq -c '[.test.dtype, .test.kv_type, .quality.kl > 0]'
bench -m ./tiny.gguf --kv-type q8_0; echo $?
# In other forms; a text without errors, because it is one window.
bench -m ./tiny.gguf --limit 8 | sed 's/[0-9][0-9.]*/N/g'
bench -m ./tiny.gguf --format csv | python3 -c 'import csv,sys; r = next(csv.DictReader(sys.stdin)); print(r["quality.text"], r["quality.tokens"], float(r["quality.perplexity"]) > 1, repr(r["quality.kl"]))'
bench -m ./tiny.gguf --format sql | python3 -c 'import sqlite3,sys; db = sqlite3.connect(":memory:"); db.executescript(sys.stdin.read())
print(db.execute("""SELECT "status", "quality_tokens", "quality_perplexity" > 1, "quality_base" FROM r1_bench""").fetchall())'
bench -m ./tiny.gguf --json | jq -c 'map(.quality.tokens)'
r1-bench -q --quality - -m ./tiny.gguf --jsonl <text.py | jq -c '[.id, .quality.tokens]'
# Bad models are records in their place, bytes that are no text count, and mistakes are one line.
head -c 300 tiny.gguf >cut.gguf; printf 'a\xff\xc3' >bytes; : >empty
bench -m ./cut.gguf -m ./tiny.gguf --jsonl 2>/dev/null | jq -c '[.id, .status, .quality.tokens]'
try() { "$@"; echo "$?: $*"; }
r1-bench --quality bytes -m ./tiny.gguf --jsonl | jq -c '.quality | [.tokens, .bytes]'
bench -m ./tiny.gguf --window 600 >out; echo $?; sed 's/^[^ ]* ([^ ]*) *//' out
try r1-bench --quality none
try r1-bench --quality empty
try r1-bench --quality .
try r1-bench --quality ''
try r1-bench --quality text.py --base none.gguf
try r1-bench --quality text.py --base ./cut.gguf
try r1-bench --base r1-plus-mini
try r1-bench --window 64
try r1-bench --limit 64
try r1-bench --quality text.py --window 1
try r1-bench --quality text.py --serve
try r1-bench --quality text.py --format benchstat
try r1-bench --quality text.py --plot text.svg
try r1-bench --quality text.py -f -o text.py
# Of a file of samples their texts are read.
printf 'x = 1\ny = 2\n' >plain.txt; jq -nc '{prompt:"x = 1",completion:"y = 2"}' >samples.jsonl; for file in plain.txt samples.jsonl; do r1-bench --quality $file -m "$TINY_MODEL" --jsonl | jq .quality.bits_per_byte; done | uniq | grep -c "^[0-9]"
