#include <cstdlib>

#include "lib/io/gguf.h"
#include "lib/text/sentencepiece_proto.h"
#include "lib/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace {

bool lies_in(r1::ByteSpan file, const void* data, std::size_t bytes) {
  const auto* begin = static_cast<const std::byte*>(data);
  return begin >= file.data() && begin + bytes <= file.data() + file.size();
}

}  // namespace

// Every tensor lies inside the file, and a vocabulary can be asked for.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const r1::GgufFile file =
        r1::GgufFile::parse(bytes, "fuzz", r1::GgufFile::Types::converted_too);
    for (const r1::NamedTensor& t : file.tensors())
      if (!lies_in(bytes, t.tensor.data, t.tensor.bytes())) std::abort();
    for (const r1::ConvertedTensor& t : file.converted()) {
      if (!lies_in(bytes, t.blocks.data(), t.blocks.size())) std::abort();
      std::vector<std::byte> numbers(r1::Tensor{nullptr, t.shape, t.type->dtype}.bytes());
      t.type->convert(numbers.data(), t.blocks);
    }
    const std::string proto = r1::sentencepiece_proto(file);
    r1::make_sentencepiece_tokenizer(r1::as_bytes(proto), "fuzz");
  });
}
