# A signal ends it by that signal, with a record of every model that was under way.
for i in {1..30000}; do echo 'print(lower("A"), i)'; done >long.py
cp $TINY_MODEL tiny.gguf
: >err; r1-bench -v --quality long.py -m ./tiny.gguf --base ./tiny.gguf --jsonl >out 2>err & pid=$!
until [ $(grep -c 'loaded in' err) = 2 ]; do sleep 0.05; done; sleep 0.5; kill -TERM $pid; wait $pid; echo $?
jq -c '[.index, .status, .error.code, .quality]' out
