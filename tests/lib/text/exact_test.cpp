// The ids of 10,000 random strings, and of 76,000 code points one by one, are those of Hugging
// Face's tokenizers: digests written by scripts/reference/tokenizer_digests.py.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/sha256.h"
#include "lib/base/utf8.h"
#include "lib/text/tokenizer.h"
#include "tests/support/published_bpe.h"

namespace r1 {
namespace {

struct Digests {
  const char* name;
  const char* random;
  const char* single;
};
constexpr Digests kDigests[] = {
    {"gpt-2", "dc1604b1cd046d4405aa71e78d344c02afea987d20365a19bd759f82a7af995c",
     "01cb9bcfe799544828e6a2f446ddea977817a2b7d8072652c8a10f3873e7461d"},
    {"mpt", "54fadcf9a877288f8794148c19ebaa6d13fa70dd7f50293a9556158e1b915bea",
     "bb612a3a7de3c85146b76134dda186b292e41b54e5a7d30080df373762141972"},
    {"starcoder", "098b4c4217c1203c8eb0d9f90ddf1e0b4e07c2c090e912f33a5283890acf2397",
     "47662efe7c6c7933a9ee24fac28f4aaa092df486cd0c4e16c1e0a989fe076d1e"},
    {"refact", "30a94d22e01d1609b39987044d63b25e731d07c5ce02634bb898c4e604c7c958",
     "bca5b235059c55c65012d43d75fcd3d5ca4a0f9fc94459461e7921799436a0fa"},
    {"deepseek-coder", "ea1e44a83095bfaaa4634f3a73a067ee4bed33bdc6921c7ed5e368f1ab3eaa16",
     "9e11f8e7b0e883e9a45bd626393e9534e643ce24b87a4c628e27c36dab7688f4"},
    {"deepseek-llm", "9ffea4b250d2f3865ead5fc5e0233c2895ee753327cd9a5868a5fd612fe555fb",
     "a37a19827169bd8f034dfc5be96c2de34556c979ec4ab2952206907e06522466"},
    {"llama-bpe", "863a750610b481481b22ab321f3f01e3f5a2b54a8bbdc4a19c63357656caa070",
     "e47d73cea96a6adefb1f7b789b664a6069f9730738ae29e2d228e9adb59d7460"},
    {"qwen2", "2d84afa1e58c97739b6a955c9f62a21c0a9c21cd4832982632e52eeb8e4d8cd8",
     "dea69ec55a2ca9e1b5d2323870b7c61a95802bf811eb4233ba1b22ff399e3807"},
};

// splitmix64, as the script draws.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t n) {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % n;
  }

 private:
  std::uint64_t state_;
};

// Where no character was added between Unicode 14 and 17, nor a combining mark since 9: the
// versions of PCRE2, Oniguruma and the normalisers agree there.
struct Range {
  char32_t begin, end;
};
constexpr Range kStable[] = {
    {0x0, 0x558},       {0x5CA, 0x88F},     {0x900, 0xB53},     {0xECF, 0x1AB0},
    {0x1C8B, 0x208F},   {0x242A, 0x2B96},   {0x31F0, 0xA7CB},   {0xA7F2, 0xAB6C},
    {0xAB6E, 0xFBC3},   {0xFDCF, 0x105C0},  {0x10F00, 0x1123F}, {0x113E3, 0x116D0},
    {0x12687, 0x1342F}, {0x1D2D4, 0x1D6A6}, {0x1E700, 0x1F1AE}, {0x1F1AF, 0x1F6D8},
    {0x2B81F, 0x2CEA2},
};

bool is_surrogate(char32_t c) { return c >= 0xD800 && c < 0xE000; }

void append_part(std::string& text, Random& random) {
  constexpr std::string_view kFragments[] = {"'s",   "'LL",    "'ve",      "    ", "\r\n",
                                             "\n\n", "\t",     "return x", "::",   "0123",
                                             " == ", "\u00fc", "e\u0301"};
  const std::uint64_t kind = random.below(10);
  if (kind < 4) {
    text += static_cast<char>(32 + random.below(95));
  } else if (kind == 4) {
    text.append(1 + random.below(4), ' ');
  } else if (kind == 5) {
    text += kFragments[random.below(std::size(kFragments))];
  } else {
    const Range r = kStable[random.below(kind < 9 ? 6 : std::size(kStable))];
    const auto c = r.begin + static_cast<char32_t>(random.below(r.end - r.begin));
    append_utf8(text, is_surrogate(c) ? 0xFFFD : c);
  }
}

std::vector<std::string> random_texts() {
  Random random(1);
  std::vector<std::string> texts(10'000);
  for (std::string& text : texts)
    for (std::uint64_t parts = 1 + random.below(30); parts > 0; --parts) append_part(text, random);
  return texts;
}

std::vector<std::string> single_texts() {
  std::vector<std::string> texts;
  int points = 0;
  for (const Range r : kStable) {
    for (char32_t c = r.begin; c < r.end; ++c) {
      if (is_surrogate(c)) continue;
      if (points++ % 32 == 0) texts.emplace_back();
      std::string letter;
      append_utf8(letter, c);
      texts.back() += "a" + letter + " " + letter + letter + "1";
    }
  }
  return texts;
}

std::string digest(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  std::vector<TokenId> all;
  for (const std::string& text : texts) {
    const std::vector<TokenId> ids = tokenizer.encode(text);
    all.insert(all.end(), ids.begin(), ids.end());
    all.push_back(-1);
  }
  return sha256_hex(std::as_bytes(std::span(all)));
}

class Exact : public testing::TestWithParam<Digests> {};

TEST_P(Exact, IdsAreThoseOfTheOriginal) {
  const auto tokenizer = test::published_tokenizer(GetParam().name);
  if (!tokenizer) GTEST_SKIP() << "skipped: no vocabulary " << GetParam().name;
  EXPECT_EQ(digest(*tokenizer, random_texts()), GetParam().random);
  EXPECT_EQ(digest(*tokenizer, single_texts()), GetParam().single);
}

INSTANTIATE_TEST_SUITE_P(Digests, Exact, testing::ValuesIn(kDigests), [](const auto& each) {
  std::string name = each.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace r1
