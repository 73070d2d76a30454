#include <algorithm>
#include <array>
#include <cstdlib>

#include "lib/train/dataset.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/byte_tokenizer.h"

namespace {

using r1::test::ByteTokenizer;

constexpr std::string_view kTemplates[] = {"<|im_start|>", "<|im_start|> </think>",
                                           "<｜User｜> <｜Assistant｜><think>", "[INST] [/INST]"};

ByteTokenizer tokenizer() {
  ByteTokenizer t({"<s>", "</s>", "<|im_start|>", "<|im_end|>", "<｜begin▁of▁sentence｜>",
                   "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<|fim_prefix|>",
                   "<|fim_suffix|>", "<|fim_middle|>"},
                  true);
  t.set_bos("<s>", true);
  t.set_eos("</s>");
  return t;
}

void check(const r1::Dataset& data, const r1::Tokenizer& t, const r1::DatasetOptions& o) {
  std::int64_t tokens = 0, trained = 0;
  for (const r1::TrainingSample& sample : data.samples) {
    if (sample.ids.size() != sample.trained.size() || sample.trained[0] != 0) std::abort();
    if (std::ssize(sample.ids) > o.max_length) std::abort();
    if (sample.rejected >= sample.ids.size() || (sample.rejected > 0) != o.pairs) std::abort();
    for (const r1::TokenId id : sample.ids)
      if (id < 0 || id >= t.size()) std::abort();
    tokens += std::ssize(sample.ids);
    trained += std::count(sample.trained.begin(), sample.trained.end(), 1);
    r1::render_sample(sample, t);
  }
  if (tokens != data.tokens || trained != data.trained) std::abort();
}

}  // namespace

// A byte of options, and lines of data.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    if (bytes.empty()) return;
    const auto bits = std::to_integer<unsigned>(bytes[0]);
    static const ByteTokenizer t = tokenizer();
    static const r1::FimForm fim = *r1::FimForm::find(t);
    const auto chat = r1::ChatTemplate::recognise(kTemplates[bits & 3]);
    const r1::DatasetOptions options{
        .max_length = (bits & 4) != 0 ? 16 : 2048,
        .too_long = (bits & 8) != 0 ? r1::TooLong::cut : r1::TooLong::drop,
        .too_long_text = std::array{r1::TooLong::split, r1::TooLong::cut}[bits >> 4 & 1],
        .mask_prompt = (bits & 32) == 0,
        .pairs = (bits & 128) != 0,
        .fim_rate = (bits & 64) != 0 ? 0.5 : 0};
    r1::Dataset dataset;
    r1::read_lines(dataset, r1::as_text(bytes.subspan(1)), "fuzz", {t, &fim, &chat}, options);
    check(dataset, t, options);
  });
}
