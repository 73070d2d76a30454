// random_records COUNT SEED     Prints COUNT records of r1-complete whose model wrote random bytes,
// cut into random tokens; names, ids and log-probabilities are random too. Each is read by the
// library's own strict reader on the way. tests/cli/strict_jsonl.py reads them as Python does.
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "lib/base/json.h"
#include "lib/base/output.h"
#include "lib/base/random.h"
#include "lib/tasks/answer_text.h"
#include "tests/support/byte_tokenizer.h"
#include "tools/complete/records.h"

namespace r1 {
namespace {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : seed_(seed) {}
  std::uint64_t below(std::uint64_t n) { return random_bits(seed_, 1, count_++) % n; }
  // Bytes that look like UTF-8 now and then: heads and tails of characters come often.
  std::string bytes(std::uint64_t most) {
    static constexpr std::string_view kOften =
        "\xC3\xA9\xE2\x98\xBA\xF0\x9F\x98\x80\xED\xA0\x80\xEF\xBB\xBF\xC2\x85\x7F\x1B\"\\\n\0{}"
        "\xE2\x80\xAE\xF4\x90\x80\x80\xC0\xAF";
    std::string out;
    for (std::uint64_t n = below(most + 1); n > 0; --n)
      out += below(3) == 0 ? static_cast<char>(below(256)) : kOften[below(kOften.size())];
    return out;
  }
  float any_float() { return std::bit_cast<float>(static_cast<std::uint32_t>(below(1ull << 32))); }

 private:
  std::uint64_t seed_, count_ = 0;
};

Answer random_answer(Dice& dice) {
  StopRules rules{.at_line_end = dice.below(8) == 0, .at_block_end = dice.below(8) == 0};
  if (dice.below(4) == 0) rules.strings = {dice.bytes(3)};
  AnswerText text(rules, dice.below(8) == 0 ? Thoughts::open : Thoughts::none);
  Answer a;
  for (std::uint64_t tokens = dice.below(8); tokens > 0 && !text.stopped(); --tokens) {
    text.push(dice.bytes(5));
    a.tokens.push_back(static_cast<TokenId>(dice.below(260)));
    a.samples.push_back({a.tokens.back(), dice.any_float(), {{7, dice.any_float()}}});
  }
  text.finish();
  a.text = text.text();
  a.reasoning = text.reasoning();
  return a;
}

std::string random_record(Dice& dice, std::int64_t index, const Tokenizer& tokenizer) {
  CompletionResult r;
  r.index = index;
  r.request.id = dice.bytes(6);
  r.request.logprobs = static_cast<int>(dice.below(3)) - 1;
  if (dice.below(8) == 0) r.request.messages = {{"user", "x"}};
  for (std::uint64_t n = 1 + dice.below(2); n > 0; --n) r.answers.push_back(random_answer(dice));
  r.warnings = {dice.bytes(5)};
  if (dice.below(6) == 0) r.error = Error(ErrorKind::decode, dice.bytes(9));
  ItemSource source{.path = dice.below(2) == 0 ? "" : dice.bytes(9), .warnings = {dice.bytes(4)}};
  const RecordContext context{
      .model_name = dice.bytes(5), .openai = dice.below(5) == 0, .timing = dice.below(2) == 0};
  source.timing_ms = static_cast<double>(dice.any_float());
  return record_line(r, source, context, tokenizer);
}

void print(std::int64_t count, std::uint64_t seed) {
  const test::ByteTokenizer tokenizer({"<s>", "</s>"});
  const auto out = open_stdout();
  Dice dice(seed);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string line = random_record(dice, i, tokenizer);
    parse_json(std::string_view(line).substr(0, line.size() - 1), "a record");
    out->write(line);
  }
  out->close();
}

}  // namespace
}  // namespace r1

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    r1::print(std::atoll(argv[1]), std::strtoull(argv[2], nullptr, 10));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "random_records: %s\n", e.what());
    return 1;
  }
}
