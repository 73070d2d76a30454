# One number of the header is changed at a time; the message names what was wrong.
lie() { # KEY TYPE-AND-VALUE as printf bytes
  python3 - "$TINY_MODEL" lie.gguf "$1" "$2" <<'P'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
key, value = sys.argv[3].encode(), bytes.fromhex(sys.argv[4])
at = data.index(key) + len(key) + 4
data[at:at + len(value)] = value
open(sys.argv[2], "wb").write(data)
P
  r1-complete -m ./lie.gguf -p x; echo $?
}
lie r1plus.block_count 00000000
lie r1plus.block_count 01020000
lie r1plus.block_count ffffffff
lie r1plus.embedding_length 21000000
lie r1plus.attention.head_count 00000000
lie r1plus.attention.key_length 11000000
lie r1plus.context_length 00000000
lie general.architecture 0600000000000000626f677573
