#include <cstdlib>

#include "lib/io/weights.h"
#include "tests/fuzz/fuzz.h"

// The length of a config.json (u16), it, and a safetensors file: whatever they say of each other,
// all weights are made or refused.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    if (bytes.size() < 2) return;
    const std::size_t length =
        std::to_integer<std::size_t>(bytes[0]) + 256 * std::to_integer<std::size_t>(bytes[1]);
    if (length > bytes.size() - 2) return;
    r1::Json config = r1::parse_json(r1::as_text(bytes.subspan(2, length)), "config.json");
    const r1::SafetensorsFile file =
        r1::parse_safetensors(bytes.subspan(2 + length), "model.safetensors");
    const r1::ModelFiles files = r1::ModelFiles::of_folder(std::move(config), file.tensors);
    for (const r1::NamedTensor& t : files.tensors()) {
      // What is made has a few times the bytes that it is made of.
      if (files.was_quantized(t.tensor) && t.tensor.bytes() > 16 * bytes.size()) std::abort();
      files.fetch(t.tensor);
      files.release(t.tensor);
    }
  });
}
