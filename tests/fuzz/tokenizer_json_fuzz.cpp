#include <cstdlib>

#include "lib/text/bpe_tokenizer.h"
#include "tests/fuzz/fuzz.h"

// Ids are those of the vocabulary, whatever it says.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const auto tokenizer =
        r1::make_bpe_tokenizer(r1::parse_json(r1::as_text(bytes), "tokenizer.json"));
    for (const r1::TokenId id : tokenizer->encode("for  x1 in\n\tab: e\u0301\u4e00 <s>\xff ")) {
      if (id < 0 || id >= tokenizer->size()) std::abort();
      tokenizer->bytes(id);
    }
  });
}
