// Perplexity, divergence and agreement: small cases by hand, and a model held against `ref`.
#include "tools/bench/quality.h"

#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"
#include "lib/base/random.h"
#include "lib/models/decoder_config.h"
#include "tests/support/backends.h"
#include "tests/support/fails.h"
#include "tests/support/run_network.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tolerance.h"
#include "tools/bench/quality_pass.h"

namespace r1 {
namespace {

constexpr double kRounding = 16 * std::numeric_limits<double>::epsilon();

// Two blocks of two tokens, whose sums are one and three from the mean on either side of it.
TEST(Quality, MeansAndErrorsAreThoseOfASmallExample) {
  const QualityBlock blocks[] = {{2, 4, 1, 1, 0, 0.5, 2}, {2, 4, 3, 0, 0.4, 0.1, 1}};
  const std::string name = "base";
  const QualityInfo q = quality_of(blocks, &name);
  EXPECT_EQ(q.tokens, 4);
  EXPECT_EQ(q.bytes, 8);
  EXPECT_NEAR(q.perplexity.value, std::exp(1), 4 * kRounding);
  EXPECT_NEAR(*q.perplexity.error, std::exp(1) * 0.5, 4 * kRounding);
  EXPECT_NEAR(q.bits_per_byte.value, 0.5 / std::log(2), kRounding);
  EXPECT_NEAR(*q.bits_per_byte.error, 0.25 / std::log(2), kRounding);
  EXPECT_EQ(q.accuracy.value, 0.25);
  EXPECT_EQ(*q.accuracy.error, 0.25);
  EXPECT_NEAR(q.base->perplexity.value, std::exp(0.1), kRounding);
  EXPECT_NEAR(*q.base->perplexity.error, std::exp(0.1) * 0.1, kRounding);
  EXPECT_NEAR(q.base->kl.value, 0.15, kRounding);
  EXPECT_NEAR(*q.base->kl.error, 0.1, kRounding);
  EXPECT_EQ(q.base->top1.value, 0.75);
  EXPECT_EQ(*q.base->top1.error, 0.25);
}

TEST(Quality, OneBlockTellsNoErrorAndNoBaseNoDivergence) {
  const QualityBlock block{2, 4, 1, 1, 0, 0, 0};
  const QualityInfo q = quality_of(std::span(&block, 1), nullptr);
  EXPECT_FALSE(q.perplexity.error);
  EXPECT_FALSE(q.base);
}

TEST(Quality, EveryTokenCountsOnceBehindHalfAWindow) {
  for (const bool bos : {false, true})
    for (const std::int64_t window : {2, 3, 7, 64})
      for (const std::int64_t tokens : {1, 2, 3, 63, 64, 65, 200}) {
        SCOPED_TRACE(fmt::format("{} tokens, window {}, bos {}", tokens, window, bos));
        std::int64_t counted = bos ? 0 : 1;
        for (const TextWindow& w : text_windows(tokens, window, bos)) {
          EXPECT_EQ(w.from, counted);
          EXPECT_GT(w.end, w.from);
          EXPECT_LE(w.end - w.begin + (bos ? 1 : 0), window);
          if (w.begin > 0) {
            EXPECT_GE(w.from - w.begin + (bos ? 1 : 0), (window + 1) / 2);
          }
          counted = w.end;
        }
        EXPECT_EQ(counted, std::max<std::int64_t>(tokens, bos ? 0 : 1));
      }
}

class QualityOfModels : public testing::Test {
 protected:
  void add(const test::TinyModel& model, const std::string& kv_type = "auto") {
    const std::string name = fmt::format("m{}.gguf", models_.size());
    settings_.kv_type = kv_type;
    models_.push_back(std::make_unique<MeasuredNetwork>(
        *backend_, settings_, name, test::write_tiny_model(dir_ / name, model)));
  }
  std::vector<QualityOutcome> measure(bool against_first, std::int64_t window = 512,
                                      std::int64_t limit = 0) {
    return measure_quality(*backend_, models_, against_first,
                           {"quality:t", "t", text_, window, window != 512, limit}, 2,
                           [this](std::int64_t, std::int64_t) { ++windows_; });
  }

  void expect_what_ref_says(std::int64_t width);

  test::TempDir dir_;
  std::unique_ptr<Backend> backend_ = open_backend("cpu", {.threads = 2});
  BenchSettings settings_;
  std::vector<std::unique_ptr<MeasuredNetwork>> models_;
  std::string text_ =
      "def lower(text):\n    return text.lower()\n\nif in re: \xC3\xA9 \xFF return lower(re)\n";
  int windows_ = 0;
};

// The log-probabilities [T, V] of all that follows in a window, by `ref` in one pass of its own.
std::vector<double> log_probabilities(test::Runner& ref, const test::Ids& window) {
  const std::vector<float> logits = ref.whole(window);
  const auto V = static_cast<std::size_t>(ref.network().shape().vocab);
  std::vector<double> out(logits.begin(), logits.end());
  for (std::size_t at = 0; at < out.size(); at += V) {
    double sum = 0;
    for (std::size_t v = 0; v < V; ++v) sum += std::exp(out[at + v]);
    for (std::size_t v = 0; v < V; ++v) out[at + v] -= std::log(sum);
  }
  return out;
}

// What two models have counted, against `ref`. A log-probability moves by at most twice what logits
// move, and so does a divergence.
void QualityOfModels::expect_what_ref_says(std::int64_t width) {
  add({.seed = 1, .context = 2048});
  add({.seed = 2, .context = 2048});
  const std::vector<QualityOutcome> have = measure(true, width);
  const LoadedModel& model = models_[0]->model();
  const std::vector<TokenId> ids = model.tokenizer->encode(text_);
  test::Runner base(open_backend("ref", {}), dir_ / "m0.gguf"),
      other(open_backend("ref", {}), dir_ / "m1.gguf");
  base.newline = other.newline = model.newline;
  const auto V = static_cast<std::size_t>(base.network().shape().vocab);
  double nll = 0, kl = 0, size = 0;
  int windows = 0;
  for (const TextWindow& w : text_windows(std::ssize(ids), width, true)) {
    test::Ids window = {*model.tokenizer->bos()};
    window.insert(window.end(), ids.begin() + w.begin, ids.begin() + w.end);
    const auto p = log_probabilities(base, window), q = log_probabilities(other, window);
    for (std::int64_t t = w.from; t < w.end; ++t) {
      const std::size_t row = static_cast<std::size_t>(t - w.begin) * V;
      nll -= q[row + static_cast<std::size_t>(ids[static_cast<std::size_t>(t)])];
      for (std::size_t v = 0; v < V; ++v) kl += std::exp(p[row + v]) * (p[row + v] - q[row + v]);
    }
    size = std::max(size, test::largest(other.whole(window)));
    ++windows;
  }
  const auto tokens = static_cast<double>(ids.size());
  const double tolerance =
      2 * size *
      test::logit_tolerance(read_decoder_config(*model.files), static_cast<std::size_t>(width));
  ASSERT_FALSE(have[1].error) << have[1].error->what();
  const QualityInfo& q = *have[1].record.quality;
  EXPECT_EQ(windows_, windows);
  EXPECT_EQ(q.tokens, std::ssize(ids));
  EXPECT_EQ(q.bytes, std::ssize(text_));
  EXPECT_NEAR(std::log(q.perplexity.value), nll / tokens, tolerance);
  EXPECT_NEAR(q.base->kl.value, kl / tokens, 2 * tolerance);
  EXPECT_LT(10 * tolerance, q.base->kl.value);  // or it would say nothing
}

TEST_F(QualityOfModels, AreWhatRefSaysOfEachWindow) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    SCOPED_TRACE(candidate.name);
    models_.clear();
    windows_ = 0;
    backend_ = candidate.open();
    expect_what_ref_says(32);  // one page: nothing that DAW leaves out
    EXPECT_GE(windows_, 3);
  }
}

// On `ref`, which leaves out nothing: windows that are read and counted in several steps.
TEST_F(QualityOfModels, AreTheSameInSeveralSteps) {
  backend_ = open_backend("ref", {});
  const std::string once = text_;
  for (int i = 0; i < 20; ++i) text_ += once;
  expect_what_ref_says(1040);
  EXPECT_GE(windows_, 2);
}

TEST_F(QualityOfModels, AModelAgreesWithItself) {
  add({});
  add({});
  const std::vector<QualityOutcome> both = measure(true, 20);
  EXPECT_FALSE(both[0].record.quality->base);
  const QualityInfo& q = *both[1].record.quality;
  EXPECT_EQ(q.base->name, "m0.gguf");
  EXPECT_EQ(q.base->kl.value, 0);
  EXPECT_EQ(q.base->top1.value, 1);
  EXPECT_EQ(q.base->perplexity.value, 1);
  EXPECT_EQ(q.base->perplexity.error, 0.0);
  EXPECT_EQ(q.perplexity.value, both[0].record.quality->perplexity.value);
}

// A window is read through the cache: what its type rounds is seen, where nothing else is rounded.
TEST_F(QualityOfModels, TheTypeOfTheCacheIsWhatAModelHasAgainstItself) {
  backend_ = open_backend("cpu", {.threads = 2, .cpu_isa = "baseline"});
  for (const char* kv : {"auto", "f32", "f16", "bf16", "q8_0"}) add({.head = 32}, kv);
  const std::vector<QualityOutcome> all = measure(true);
  const auto kl = [&](std::size_t i) { return all[i].record.quality->base->kl.value; };
  EXPECT_EQ(kl(1), 0);  // the weights are f32, and so is the base's cache
  EXPECT_GT(kl(2), 0);
  EXPECT_GT(kl(3), 4 * kl(2));  // three bits less, and a divergence goes with their square
  EXPECT_GT(kl(4), 4 * kl(2));  // of a block's largest, not of each
  EXPECT_EQ(all[0].record.test.kv_type, "f32");
  EXPECT_EQ(all[4].record.test.kv_type, "q8_0");
}

// Where steps begin and end, and what else is in the pass, changes nothing.
TEST_F(QualityOfModels, FiguresDoNotDependOnTheCompany) {
  add({.seed = 5});
  const double alone = measure(false)[0].record.quality->perplexity.value;
  add({.seed = 6});
  EXPECT_EQ(measure(true)[0].record.quality->perplexity.value, alone);
  EXPECT_EQ(measure(false)[0].record.quality->perplexity.value, alone);
}

TEST_F(QualityOfModels, AnotherVocabularyComparesByBitsAlone) {
  add({});
  add({.fim = false});
  const std::vector<QualityOutcome> both = measure(true, 512, 10);
  ASSERT_EQ(both[1].record.warnings.size(), 1u);
  EXPECT_NE(both[1].record.warnings[0].find("m1.gguf has another vocabulary than m0.gguf"),
            std::string::npos);
  EXPECT_FALSE(both[1].record.quality->base);
  EXPECT_EQ(both[0].record.quality->tokens, 10);
  EXPECT_EQ(both[1].record.quality->bytes, both[0].record.quality->bytes);  // the same text
}

TEST_F(QualityOfModels, OneThatFailsLeavesTheOthersUnlessItIsTheBase) {
  add({});
  add({.head_fault = NAN});
  add({});
  const std::vector<QualityOutcome> some = measure(true);
  EXPECT_FALSE(some[0].error);
  ASSERT_TRUE(some[1].error);
  EXPECT_EQ(some[1].error->kind(), ErrorKind::model);
  EXPECT_STREQ(some[1].error->what(), "m1.gguf: the model gave logits that are not numbers");
  EXPECT_FALSE(some[2].error);
  EXPECT_EQ(some[2].record.quality->base->kl.value, 0);
  std::swap(models_[0], models_[1]);
  for (const QualityOutcome& o : measure(true)) {
    EXPECT_TRUE(o.error);
    EXPECT_FALSE(o.record.quality);
  }
}

TEST_F(QualityOfModels, WhatIsTooShortOrTooLongIsSaid) {
  add({});
  const std::vector<QualityOutcome> wide = measure(false, 513);
  ASSERT_TRUE(wide[0].error);
  EXPECT_EQ(wide[0].error->kind(), ErrorKind::too_long);
  text_.clear();
  EXPECT_FAILS(ErrorKind::usage, "t is too short", measure(false));
}

}  // namespace
}  // namespace r1
