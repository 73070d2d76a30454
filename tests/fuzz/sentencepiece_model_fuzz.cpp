#include <cstdlib>

#include "lib/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/fuzz.h"

// Ids are those of the vocabulary, whatever it says.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const auto tokenizer = r1::make_sentencepiece_tokenizer(bytes, "tokenizer.model");
    const std::string_view text = "for  x1 in\n\tab: e\u0301\u2581\u4e00 <s>\xff ";
    for (const auto& ids : {tokenizer->encode(text), tokenizer->encode_continued(text)}) {
      for (const r1::TokenId id : ids) {
        if (id < 0 || id >= tokenizer->size()) std::abort();
        tokenizer->bytes(id);
      }
    }
  });
}
