# A line on what was made, the same bytes again, and a model that runs. $TINY_MODEL is f32.
r1-quantize $TINY_MODEL --type q8_0 -o a.gguf | sed 's/[0-9a-f]\{64\}/SHA/'; echo $?
r1-quantize $TINY_MODEL --type q8_0 -o b.gguf -t 2 --json | jq -c '[.schema, .id, .status, (.output.tensors | length), .output.bytes_out, (.output.sha256 | length), ([.output.tensors[].mse] | max < 1e-4)]'
cmp a.gguf b.gguf && r1-complete -m ./a.gguf -p abc -n 4 >/dev/null && echo runs
r1-quantize $TINY_MODEL --type q4_k_m --dry-run -o c.gguf 2>/dev/null | cut -f1-4 | head -4; ls
# A manifest has the sums of what went in and came out.
r1-quantize -q $TINY_MODEL --type f16 -o d.gguf --manifest m.json >/dev/null
sha256sum $TINY_MODEL d.gguf | cut -d' ' -f1 >sums; jq -r '.inputs[0].sha256, .outputs[0].sha256' m.json | cmp - sums && echo true
