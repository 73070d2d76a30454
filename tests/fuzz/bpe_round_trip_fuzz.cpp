#include <cstdlib>
#include <limits>

#include "lib/base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/published_bpe.h"
#include "tests/support/tiny_vocabulary.h"

namespace {

using r1::TokenId;

const std::vector<std::pair<std::string, std::string>> kMerges = {
    {"a", "b"}, {"b", "a"}, {"a", "a"}, {"ab", "a"}, {"Ġ", "Ġ"}, {"ba", "ba"}, {"aa", "ab"}};

std::vector<std::unique_ptr<r1::Tokenizer>> make_tokenizers() {
  std::vector<std::unique_ptr<r1::Tokenizer>> out;
  out.push_back(r1::test::TinyBpe{.merges = kMerges}.make());
  out.push_back(r1::test::TinySentencepiece{.pieces = {"▁", "a", "b", "ab", "aa", "▁a"}}.make());
  for (const char* name : {"gpt-2", "llama-bpe", "qwen2", "deepseek-coder", "deepseek-llm"}) {
    r1::JsonWriter steps;
    r1::test::write_steps(steps, r1::test::pretokenizer_entry(name));
    out.push_back(r1::test::TinyBpe{.merges = kMerges, .pre_tokenizer = steps.text()}.make());
  }
  return out;
}

std::string text_of(const r1::Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string out;
  for (const TokenId id : ids) out += tokenizer.bytes(id);
  return out;
}

// The definition, as slow as it reads: the best merge that there is, leftmost, again and again.
std::vector<std::string> merged(std::string_view text) {
  std::vector<std::string> parts;
  for (const char c : text) parts.push_back(r1::letters_of(std::string(1, c)));
  while (true) {
    std::size_t best = kMerges.size(), place = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
      for (std::size_t rank = 0; rank < best; ++rank)
        if (kMerges[rank].first == parts[i] && kMerges[rank].second == parts[i + 1])
          best = rank, place = i;
    if (best == kMerges.size()) return parts;
    parts[place] += parts[place + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

}  // namespace

// The first byte chooses a tokenizer: any text comes back from its ids. Without cuts the ids are
// those of the definition.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto tokenizers = make_tokenizers();
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    if (bytes.empty()) return;
    const std::size_t which = std::to_integer<std::size_t>(bytes[0]) % tokenizers.size();
    const r1::Tokenizer& tokenizer = *tokenizers[which];
    const std::string_view text = r1::as_text(bytes.subspan(1));
    const std::vector<TokenId> ids = tokenizer.encode(text);
    if (text_of(tokenizer, ids) != text) std::abort();
    if (which != 0 || text.size() > 64 || !r1::is_utf8(text)) return;
    const std::vector<std::string> parts = merged(text);
    if (ids.size() != parts.size()) std::abort();
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (r1::letters_of(tokenizer.bytes(ids[i])) != parts[i]) std::abort();
  });
}
