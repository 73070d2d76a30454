#include "lib/io/safetensors.h"
#include "tests/fuzz/fuzz.h"

// Every tensor can be read from its first byte to its last.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const r1::SafetensorsFile file = r1::parse_safetensors(bytes, "fuzz");
    for (const r1::NamedTensor& t : file.tensors)
      r1::test::touch({static_cast<const std::byte*>(t.tensor.data), t.tensor.bytes()});
  });
}
