# A line on what was made, the same bytes again, and a model that runs. $TINY_MODEL is f32.
r1-quantize $TINY_MODEL --type q8_0 -o a.gguf | sed 's/[0-9a-f]\{64\}/SHA/'; echo $?
r1-quantize $TINY_MODEL --type q8_0 -o b.gguf -t 2 --json | jq -c '[.schema, .id, .status, (.output.tensors | length), .output.bytes_out, (.output.sha256 | length), ([.output.tensors[].mse] | max < 1e-4)]'
cmp a.gguf b.gguf && r1-complete -m ./a.gguf -p abc -n 4 >/dev/null && echo runs
r1-quantize $TINY_MODEL --type q4_k_m --dry-run -o c.gguf 2>/dev/null | cut -f1-4 | head -4; ls
# A manifest has the sums of what went in and came out.
r1-quantize -q $TINY_MODEL --type f16 -o d.gguf --manifest m.json >/dev/null
sha256sum $TINY_MODEL d.gguf | cut -d' ' -f1 >sums; jq -r '.inputs[0].sha256, .outputs[0].sha256' m.json | cmp - sums && echo true
# What --keep leaves alone has the type as which it is read: Q4_1, which nothing is computed in, F16, and that takes more.
python3 - <<'PY'
import struct
s = lambda text: struct.pack('<Q', len(text)) + text.encode()
head = b'GGUF' + struct.pack('<IQQ', 3, 1, 1) + s('general.architecture') + struct.pack('<I', 8) + s('llama')
head += s('blk.0.ffn_down.weight') + struct.pack('<IQQIQ', 2, 256, 4, 3, 0)
open('q4_1.gguf', 'wb').write(head + b'\0' * (-len(head) % 32) + 32 * (struct.pack('<ee', 0.5, -4) + bytes(range(16))))
PY
r1-quantize q4_1.gguf --type q4_0 --allow-requantize --keep ffn_down -o kept.gguf 2>&1 >/dev/null; r1-quantize kept.gguf --type f16 --dry-run -o x.gguf
