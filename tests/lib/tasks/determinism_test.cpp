// The same bits in any batch, order and number of threads.
#include <algorithm>
#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "tests/support/backends.h"
#include "tests/support/complete_all.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace r1 {
namespace {

// Everything of an answer that could differ, by id.
struct Made {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  bool operator==(const Made&) const = default;
};
using Outcome = std::map<std::string, std::vector<Made>>;

// Greedy and sampled, short and long, alike at the beginning and not, filled in, several answers.
std::vector<CompletionRequest> inputs(std::uint64_t count) {
  const std::string common =
      "# Reads a table of numbers, one row a line, and adds up the columns.\n";
  std::vector<CompletionRequest> requests;
  for (std::uint64_t i = 0; i < count; ++i) {
    CompletionRequest r{.id = "item " + std::to_string(i), .max_tokens = 6, .logprobs = 2};
    if (i % 4 == 0) r.prefix = common;
    for (std::uint64_t n = random_bits(1, i, 0) % 40, k = 0; k < n; ++k)
      r.prefix += "def (x):\n  =1é"[random_bits(2, i, k) % 15];
    if (i % 5 == 1) r.suffix = "\n    return x\n";
    if (i % 3 == 1) r.sampling = {.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .seed = i};
    if (i % 7 == 2) r.sampling = {.temperature = 1.2f, .repeat_penalty = 1.2f, .seed = i};
    if (i % 10 == 3) r.answers = 3;
    requests.push_back(std::move(r));
  }
  return requests;
}

std::vector<CompletionRequest> shuffled(std::vector<CompletionRequest> all, std::uint64_t seed) {
  for (std::size_t i = all.size(); i > 1; --i)
    std::swap(all[i - 1], all[random_bits(seed, 3, i) % i]);
  return all;
}

Outcome outcome(Completer& completer, std::vector<CompletionRequest> requests) {
  Outcome all;
  for (const CompletionResult& r : test::complete_all(completer, std::move(requests))) {
    EXPECT_FALSE(r.error) << r.error->what();
    for (const Answer& a : r.answers) {
      Made made{a.text, a.tokens, {}};
      for (const Sample& s : a.samples) {
        made.logprobs.push_back(s.logprob);
        for (const TokenLogprob& t : s.top) made.logprobs.push_back(t.logprob);
      }
      all[r.request.id].push_back(std::move(made));
    }
  }
  return all;
}

void expect_the_same_bits(test::Candidate candidate, DType weights) {
  const test::TempDir dir;
  const auto path = test::write_tiny_model(dir / "tiny.gguf", {.dtype = weights});
  const std::uint64_t count = candidate.fast() ? 50 : 8;
  Outcome want;
  for (const int threads : {1, 2}) {
    candidate.threads = threads;
    const std::unique_ptr<Backend> b = candidate.open();
    const LoadedModel model = load_model_with_text(*b, "tiny", path, {});
    for (const std::int64_t batch : {1, 2, 3, 7, 8, 16, 32}) {
      if (!candidate.fast() && batch != (threads == 1 ? 1 : 7)) continue;
      Completer completer(*b, model, {.batch_size = batch, .unordered = batch % 2 == 0});
      const auto seed = static_cast<std::uint64_t>(batch * 2 + threads);
      const Outcome got = outcome(completer, shuffled(inputs(count), seed));
      if (want.empty()) want = got;
      EXPECT_EQ(got.size(), count);
      EXPECT_TRUE(got == want) << candidate.name << ", batch " << batch << ", threads " << threads;
    }
  }
}

TEST(Determinism, EveryAnswerIsTheSameBitsInAnyBatchOrderAndNumberOfThreads) {
  expect_the_same_bits({"ref"}, DType::f32);
  for (const test::Candidate& c : test::backends()) {
    if (!c.exact()) continue;
    for (const DType weights : {DType::f32, DType::bf16, DType::q8_0})
      expect_the_same_bits(c, weights);
  }
}

}  // namespace
}  // namespace r1
