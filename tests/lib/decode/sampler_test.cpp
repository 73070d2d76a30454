#include "lib/decode/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "tests/support/fails.h"

namespace r1 {
namespace {

// Ids drawn at positions 0 … n - 1.
std::vector<std::int32_t> draws(const std::vector<float>& logits, const SamplingOptions& options,
                                std::int64_t n, std::uint64_t stream = 7) {
  std::vector<std::int32_t> ids;
  const auto all = static_cast<std::int64_t>(logits.size());
  for (std::int64_t i = 0; i < n; ++i)
    ids.push_back(sample(logits, all, {}, options, stream, i, 0).id);
  return ids;
}

std::int32_t greedy(const std::vector<float>& logits, std::int64_t allowed) {
  return sample(logits, allowed, {}, {}, 0, 0, 0).id;
}

// Are these draws what `share` says? Pearson's statistic against its 1 in 10,000 quantile, by the
// cube-root approximation of Wilson and Hilferty (1931). An id with no share must not occur.
testing::AssertionResult follows(const std::vector<std::int32_t>& ids,
                                 const std::vector<double>& share) {
  std::vector<double> seen(share.size(), 0.0);
  for (const std::int32_t id : ids) ++seen[static_cast<std::size_t>(id)];
  double statistic = 0, freedom = -1;
  for (std::size_t i = 0; i < share.size(); ++i) {
    if (share[i] == 0) {
      if (seen[i] > 0) return testing::AssertionFailure() << "id " << i << " was drawn";
      continue;
    }
    const double want = share[i] * static_cast<double>(ids.size());
    statistic += (seen[i] - want) * (seen[i] - want) / want;
    ++freedom;
  }
  const double spread = 2.0 / (9.0 * freedom);
  const double most = freedom * std::pow(1.0 - spread + 3.719 * std::sqrt(spread), 3.0);
  if (statistic <= most) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "chi-square " << statistic << " over " << most;
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature = 1) {
  std::vector<double> share;
  double sum = 0;
  for (const float l : logits) sum += share.emplace_back(std::exp(l / temperature));
  for (double& s : share) s /= sum;
  return share;
}

const std::vector<float> kLogits = {0.3f, -1.0f, 2.0f, 1.1f, 0.0f, -0.4f, 1.9f, -3.0f};

TEST(Sampler, GreedyTakesTheMostLikelyAndOfEqualsTheLowerId) {
  EXPECT_EQ(greedy(kLogits, 8), 2);
  EXPECT_EQ(greedy({1.0f, 3.0f, 3.0f, 2.0f}, 4), 1);
  EXPECT_EQ(greedy({-5.0f, -std::numeric_limits<float>::infinity()}, 2), 0);
}

TEST(Sampler, IdsPastTheAllowedOnesAreNeverTakenNorCounted) {
  const std::vector<float> logits = {0.0f, 1.0f, 50.0f};
  EXPECT_EQ(greedy(logits, 2), 1);
  const Sample s = sample(logits, 2, {}, {.temperature = 1}, 0, 0, 5);
  EXPECT_EQ(s.top.size(), 2u);
  EXPECT_NEAR(std::exp(s.top[0].logprob) + std::exp(s.top[1].logprob), 1.0, 1e-6);
}

TEST(Sampler, DrawsFollowTheSoftmaxAtEachTemperature) {
  for (const float t : {0.5f, 1.0f, 2.0f})
    EXPECT_TRUE(follows(draws(kLogits, {.temperature = t, .seed = 3}, 20000), softmax(kLogits, t)))
        << t;
}

TEST(Sampler, TheTestOfDrawsSeesAWrongTemperature) {
  EXPECT_FALSE(follows(draws(kLogits, {.temperature = 1.1f}, 20000), softmax(kLogits)));
}

TEST(Sampler, TopKLeavesTheKMostLikelyInProportion) {
  std::vector<double> share = softmax(kLogits);
  for (const std::size_t i : {0u, 1u, 4u, 5u, 7u}) share[i] = 0;
  double sum = 0;
  for (const double s : share) sum += s;
  for (double& s : share) s /= sum;
  EXPECT_TRUE(follows(draws(kLogits, {.temperature = 1, .top_k = 3}, 20000), share));
}

TEST(Sampler, TopPLeavesTheFewestThatHoldTheShare) {
  // Shares 0.5, 0.3, 0.15, 0.05.
  const std::vector<float> logits = {std::log(0.15f), std::log(0.5f), std::log(0.05f),
                                     std::log(0.3f)};
  EXPECT_TRUE(
      follows(draws(logits, {.temperature = 1, .top_p = 0.7f}, 20000), {0, 0.625, 0, 0.375}));
  EXPECT_TRUE(follows(draws(logits, {.temperature = 1, .top_p = 0.9f}, 20000),
                      {0.15 / 0.95, 0.5 / 0.95, 0, 0.3 / 0.95}));
  EXPECT_EQ(draws(logits, {.temperature = 1, .top_p = 0.01f}, 50),
            std::vector<std::int32_t>(50, 1));
}

TEST(Sampler, MinPLeavesWhatIsNearTheMostLikely) {
  const std::vector<float> logits = {std::log(0.15f), std::log(0.5f), std::log(0.05f),
                                     std::log(0.3f)};
  EXPECT_TRUE(
      follows(draws(logits, {.temperature = 1, .min_p = 0.5f}, 20000), {0, 0.625, 0, 0.375}));
}

TEST(Sampler, TheRepeatPenaltyMovesRecentIdsDownWhicheverTheirSign) {
  const std::vector<float> up = {2.0f, 1.5f}, down = {-1.5f, -1.0f};
  const std::vector<std::int32_t> zero = {0, 0, -1, 99}, one = {1};
  EXPECT_EQ(sample(up, 2, zero, {.repeat_penalty = 1.5f}, 0, 0, 0).id, 1);
  EXPECT_EQ(sample(down, 2, one, {.repeat_penalty = 2.0f}, 0, 0, 0).id, 0);
}

TEST(Sampler, AnIdThatCameTwiceIsPenalisedOnce) {
  const std::vector<std::int32_t> twice = {0, 0};
  EXPECT_EQ(sample(std::vector<float>{3.0f, 1.0f}, 2, twice, {.repeat_penalty = 2}, 0, 0, 0).id, 0);
}

TEST(Sampler, ADrawDependsOnSeedStreamAndPositionAlone) {
  const SamplingOptions o{.temperature = 1, .seed = 5};
  const std::vector<std::int32_t> all = draws(kLogits, o, 200);
  for (std::int64_t i = 199; i >= 0; i -= 13)
    EXPECT_EQ(sample(kLogits, 8, {}, o, 7, i, 0).id, all[static_cast<std::size_t>(i)]);
  EXPECT_NE(draws(kLogits, o, 200, 8), all);
  EXPECT_NE(draws(kLogits, {.temperature = 1, .seed = 6}, 200), all);
}

TEST(Sampler, LogprobsAreOfThePlainSoftmaxWhateverTheOptions) {
  const std::vector<double> share = softmax(kLogits);
  const std::vector<std::int32_t> recent = {2};
  const SamplingOptions o{
      .temperature = 0.3f, .top_k = 2, .top_p = 0.5f, .repeat_penalty = 1.3f, .seed = 1};
  const Sample s = sample(kLogits, 8, recent, o, 1, 1, 3);
  // One rounding to f32 of a number below 8.
  EXPECT_NEAR(s.logprob, std::log(share[static_cast<std::size_t>(s.id)]), 8 * 0x1p-24);
  ASSERT_EQ(s.top.size(), 3u);
  const std::vector<std::int32_t> best = {2, 6, 3};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(s.top[i].id, best[i]);
    EXPECT_NEAR(s.top[i].logprob, std::log(share[static_cast<std::size_t>(best[i])]), 8 * 0x1p-24);
  }
}

TEST(Sampler, MoreTopLogprobsThanIdsGivesAllOfThem) {
  EXPECT_EQ(sample(kLogits, 8, {}, {}, 0, 0, 20).top.size(), 8u);
}

TEST(Sampler, HugeLogitsDoNotOverflow) {
  const std::vector<float> logits = {3e38f, -3e38f, 2.9e38f};
  const Sample s = sample(logits, 3, {}, {.temperature = 1}, 0, 0, 0);
  EXPECT_EQ(s.id, 0);
  EXPECT_EQ(s.logprob, 0.0f);
}

TEST(Sampler, ATinyTemperatureIsGreedy) {
  const std::vector<std::int32_t> ids = draws(kLogits, {.temperature = 1e-30f}, 100);
  EXPECT_EQ(std::set<std::int32_t>(ids.begin(), ids.end()), std::set<std::int32_t>{2});
}

TEST(Sampler, OnlyTheIdsAmongTheWantedAreDrawnAndTheirLogprobsAreThePlainOnes) {
  const std::vector<std::int32_t> among = {1, 3, 5};
  EXPECT_EQ(sample(kLogits, 8, {}, {}, 0, 0, 0, among).id, 3);
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < 20000; ++i)
    ids.push_back(sample(kLogits, 8, {}, {.temperature = 1}, 7, i, 0, among).id);
  const std::vector<double> share = softmax({-1.0f, 1.1f, -0.4f});
  EXPECT_TRUE(follows(ids, {0, share[0], 0, share[1], 0, share[2], 0, 0}));
  const Sample free = sample(kLogits, 8, {}, {}, 0, 0, 8);
  const Sample bound = sample(kLogits, 8, {}, {}, 0, 0, 8, among);
  EXPECT_EQ(bound.top.size(), free.top.size());
  for (std::size_t i = 0; i < free.top.size(); ++i) {
    EXPECT_EQ(bound.top[i].logprob, free.top[i].logprob);
    if (free.top[i].id == 3) {
      EXPECT_EQ(bound.logprob, free.top[i].logprob);
    }
  }
}

TEST(Sampler, LogitsThatAreNotNumbersAreTheModelsFault) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& bad :
       {std::vector<float>{1, nan}, {nan, nan}, {1, inf}, {-inf, -inf}}) {
    EXPECT_FAILS(ErrorKind::model, "logit", sample(bad, 2, {}, {}, 0, 0, 0));
    EXPECT_FAILS(ErrorKind::model, "logit", sample(bad, 2, {}, {.temperature = 1}, 0, 0, 0));
  }
}

// The first `count` of them, as `Backend::leaders` gives them.
struct First {
  std::vector<std::int32_t> ids;
  std::vector<float> values;
  Leaders leaders;
  First(const std::vector<float>& logits, std::size_t count, float temperature) {
    std::vector<std::int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    const auto at = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return at(a) > at(b); });
    double sum = 0;
    for (const float l : logits) sum += std::exp((double{l} - at(order[0])) / temperature);
    ids.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
    for (const std::int32_t id : ids) values.push_back(at(id));
    leaders = {ids, values, static_cast<float>(sum), static_cast<std::int64_t>(logits.size())};
  }
};

// What leaders tell is what the whole row tells; and where they do not tell, they say so.
TEST(Sampler, LeadersDrawWhatTheWholeRowDraws) {
  std::vector<float> logits;
  for (std::uint64_t i = 0; i < 1000; ++i)
    logits.push_back(static_cast<float>(12 * random_uniform(3, 0, i)));
  int told = 0, not_told = 0;
  for (const SamplingOptions& o :
       {SamplingOptions{}, SamplingOptions{.temperature = 1}, SamplingOptions{.temperature = 4},
        SamplingOptions{.temperature = 1, .top_k = 5},
        SamplingOptions{.temperature = 1, .top_k = 50},
        SamplingOptions{.temperature = 1, .top_p = 0.2f},
        SamplingOptions{.temperature = 2, .top_p = 0.99f},
        SamplingOptions{.temperature = 1, .min_p = 0.5f},
        SamplingOptions{.temperature = 1, .top_k = 20, .top_p = 0.5f, .min_p = 0.01f}}) {
    const First first(logits, 32, leader_temperature(o));
    for (std::int64_t i = 0; i < 50; ++i) {
      const Sample whole = sample(logits, 1000, {}, o, 7, i, -1);
      const std::optional<Sample> drawn = sample_leaders(first.leaders, o, 7, i, -1);
      ++(drawn ? told : not_told);
      if (drawn) {
        EXPECT_EQ(drawn->id, whole.id) << o.temperature << " " << o.top_k << " " << i;
      }
    }
  }
  EXPECT_GT(told, 200);
  EXPECT_GT(not_told, 50);
}

TEST(Sampler, LeadersGiveTheSameLogprobs) {
  const First first(kLogits, 5, 1);
  const Sample whole = sample(kLogits, 8, {}, {}, 0, 0, 3);
  const std::optional<Sample> told = sample_leaders(first.leaders, {}, 0, 0, 3);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->id, whole.id);
  EXPECT_NEAR(told->logprob, whole.logprob, 1e-6);
  ASSERT_EQ(told->top.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(told->top[i].id, whole.top[i].id);
  EXPECT_FALSE(sample_leaders(first.leaders, {}, 0, 0, 6));  // more than there are
}

}  // namespace
}  // namespace r1
