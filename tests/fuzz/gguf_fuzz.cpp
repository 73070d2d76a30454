#include <cstdlib>

#include "lib/io/gguf.h"
#include "lib/text/sentencepiece_proto.h"
#include "lib/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/fuzz.h"

// Every tensor lies inside the file, and a vocabulary can be asked for.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const r1::GgufFile file = r1::GgufFile::parse(bytes, "fuzz");
    for (const r1::NamedTensor& t : file.tensors()) {
      const auto* begin = static_cast<const std::byte*>(t.tensor.data);
      if (begin < bytes.data() || begin + t.tensor.bytes() > bytes.data() + bytes.size())
        std::abort();
    }
    const std::string proto = r1::sentencepiece_proto(file);
    r1::make_sentencepiece_tokenizer(r1::as_bytes(proto), "fuzz");
  });
}
