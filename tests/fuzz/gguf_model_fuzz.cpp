#include <cstdlib>

#include "lib/models/decoder_config.h"
#include "lib/text/chat_template.h"
#include "lib/text/fim.h"
#include "lib/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace {

template <typename Body>
void allow_error(Body&& body) {
  try {
    body();
  } catch (const r1::Error&) {  // the next part may still be fine
  }
}

void try_tokenizer(const r1::ModelFiles& files) {
  static const std::string share = std::string(R1_SOURCE_DIR) + "/share";
  const auto tokenizer = r1::load_tokenizer(files, share);
  for (const r1::TokenId id : tokenizer->encode("for  x1 in\n\tab: e\u0301\u4e00 <s>\xff ")) {
    if (id < 0 || id >= tokenizer->size()) std::abort();
    tokenizer->bytes(id);
  }
  for (const auto& special : {tokenizer->bos(), tokenizer->eos()})
    if (special && (*special < 0 || *special >= tokenizer->size())) std::abort();
  if (const auto form = r1::FimForm::find(*tokenizer)) form->encode(*tokenizer, "a", "b", {});
  for (const r1::TokenId id : r1::stop_tokens(*tokenizer, {}))
    if (id < 0 || id >= tokenizer->size()) std::abort();
}

}  // namespace

// A GGUF file as a model: its description, its tokenizer and its chat template, each by itself.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const r1::ModelFiles files = r1::ModelFiles::of_gguf(bytes, "fuzz.gguf");
    allow_error([&] { r1::read_decoder_config(files); });
    allow_error([&] { try_tokenizer(files); });
    if (const auto source = files.gguf().string("tokenizer.chat_template"))
      r1::ChatTemplate::recognise(*source).render({{"system", "s"}, {"user", "u"}});
  });
}
