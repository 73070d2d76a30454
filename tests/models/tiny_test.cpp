// The architectures are the published ones: tiny checkpoints with known logits, on every backend.
#include "tests/support/tiny.h"

#include <limits>
#include <memory>

#include <gtest/gtest.h>

#include "lib/models/decoder_config.h"
#include "tests/support/backends.h"
#include "tests/support/close.h"
#include "tests/support/run_network.h"
#include "tests/support/tolerance.h"

namespace r1 {
namespace {

using test::Ids;

class Tiny : public testing::TestWithParam<std::string> {
 protected:
  Tiny() : golden_(test::read_golden(GetParam())) {
    const ModelFiles files = ModelFiles::open(test::kTiny / GetParam());
    tolerance_ = test::logit_tolerance(read_decoder_config(files), golden_.ids.size()) *
                 test::largest(golden_.logits);
  }

  // body(runner) on ref and on every backend of this machine.
  template <typename Body>
  void everywhere(Body&& body) {
    for (const test::Candidate& candidate : test::backends_and_ref()) {
      SCOPED_TRACE(candidate.name);
      exact_ = candidate.exact();
      test::Runner runner(candidate.open(), test::kTiny / GetParam());
      runner.newline = golden_.newline;
      body(runner);
    }
  }
  // The same bits where the backend promises them, else as near as two honest sums.
  testing::AssertionResult same(const std::vector<float>& have,
                                const std::vector<float>& want) const {
    if (!exact_) return test::close(have, want, 2.0 * tolerance_);
    return have == want ? testing::AssertionSuccess()
                        : testing::AssertionFailure() << "not the same bits";
  }
  Ids piece(std::size_t from, std::size_t to) const {
    return {golden_.ids.begin() + static_cast<std::ptrdiff_t>(from),
            golden_.ids.begin() + static_cast<std::ptrdiff_t>(to)};
  }

  test::Golden golden_;
  double tolerance_;
  bool exact_ = true;
};

TEST_P(Tiny, TheLogitsAreThePublishedOnes) {
  everywhere([&](test::Runner& runner) {
    EXPECT_TRUE(test::close(runner.whole(golden_.ids), golden_.logits, tolerance_));
    EXPECT_TRUE(test::close(runner.in_chunks(golden_.ids, 1), golden_.logits, tolerance_));
  });
}

TEST_P(Tiny, TheGreedyIdsAreThePublishedOnes) {
  everywhere([&](test::Runner& runner) {
    EXPECT_EQ(runner.greedy(golden_.ids, golden_.greedy.size()), golden_.greedy);
  });
}

TEST_P(Tiny, StepByStepAndInChunksAreTheSameBits) {
  everywhere([&](test::Runner& runner) {
    const std::vector<float> steps = runner.in_chunks(golden_.ids, 1);
    for (const std::size_t chunk : {5u, 7u, 24u})
      EXPECT_TRUE(same(runner.in_chunks(golden_.ids, chunk), steps)) << "in chunks of " << chunk;
  });
}

TEST_P(Tiny, ASequenceInABatchHasTheBitsItHasAlone) {
  everywhere([&](test::Runner& runner) {
    const std::vector<Ids> texts = {piece(0, 11), piece(5, 24), piece(17, 18)};
    std::vector<std::vector<float>> alone;
    for (const Ids& text : texts) alone.push_back(runner.in_chunks(text, 4));
    // All three at once, at different speeds and not all in every step.
    runner.start(texts.size());
    std::vector<std::vector<float>> together(texts.size());
    std::vector<std::size_t> at(texts.size(), 0);
    const std::vector<std::vector<std::size_t>> steps = {
        {3, 0, 1}, {4, 9, 0}, {0, 1, 0}, {4, 9, 0}};
    const auto V = static_cast<std::ptrdiff_t>(golden_.newline.size());
    for (const std::vector<std::size_t>& step : steps) {
      std::vector<Ids> more;
      for (std::size_t s = 0; s < texts.size(); ++s) {
        const auto from = texts[s].begin() + static_cast<std::ptrdiff_t>(at[s]);
        more.emplace_back(from, from + static_cast<std::ptrdiff_t>(step[s]));
        at[s] += step[s];
      }
      const std::vector<float> logits = runner.step(more);
      auto row = logits.begin();
      for (std::size_t s = 0; s < texts.size(); row += V * static_cast<std::ptrdiff_t>(step[s++]))
        together[s].insert(together[s].end(), row, row + V * static_cast<std::ptrdiff_t>(step[s]));
    }
    for (std::size_t s = 0; s < texts.size(); ++s) EXPECT_TRUE(same(together[s], alone[s]));
  });
}

TEST_P(Tiny, DocumentsInARowHaveTheBitsTheyHaveAlone) {
  everywhere([&](test::Runner& runner) {
    std::vector<float> alone = runner.whole(piece(0, 11));
    const std::vector<float> second = runner.whole(piece(11, 24));
    alone.insert(alone.end(), second.begin(), second.end());
    EXPECT_TRUE(same(runner.packed({piece(0, 11), piece(11, 24)}), alone));
  });
}

TEST_P(Tiny, WhatAPageHeldBeforeIsNeverSeen) {
  everywhere([&](test::Runner& runner) {
    runner.start();
    for (std::int64_t l = 0; l < runner.network().shape().layers; ++l) {
      const PagedKv kv = runner.cache().layer(l, {});
      for (const Tensor& t : {kv.keys, kv.values, kv.decay}) {
        if (t.empty()) continue;
        const std::vector<float> junk(static_cast<std::size_t>(t.shape.elements()),
                                      std::numeric_limits<float>::quiet_NaN());
        runner.backend().copy_from_host(t, junk.data());
      }
    }
    EXPECT_TRUE(test::close(runner.step(golden_.ids), golden_.logits, tolerance_));
  });
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Tiny, testing::ValuesIn(test::tiny_names()),
                         [](const auto& tiny) { return tiny.param; });

}  // namespace
}  // namespace r1
