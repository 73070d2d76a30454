#include "tools/bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "lib/base/random.h"

namespace r1 {
namespace {

constexpr double kRounding = 8 * std::numeric_limits<double>::epsilon();

TEST(Statistics, AreThoseOfASmallExample) {
  const std::vector<double> samples = {4, 1, 3, 2, 10};
  const Statistics s = statistics(samples);
  EXPECT_EQ(s.median, 3);
  EXPECT_EQ(s.mean, 4);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.max, 10);
  EXPECT_NEAR(s.stddev, std::sqrt((0.0 + 9 + 1 + 4 + 36) / 4), kRounding * s.stddev);
}

TEST(Statistics, OneSampleHasNoSpread) {
  const std::vector<double> one = {7};
  EXPECT_EQ(statistics(one).stddev, 0);
  EXPECT_EQ(statistics(one).median, 7);
}

TEST(Statistics, AQuantileLiesBetweenTheNearestSamples) {
  EXPECT_EQ(quantile({30, 10, 20}, 0), 10);
  EXPECT_EQ(quantile({30, 10, 20}, 1), 30);
  EXPECT_EQ(quantile({30, 10, 20}, 0.75), 25);
  EXPECT_EQ(quantile({1, 2}, 0.5), 1.5);
}

// Mann and Whitney's table for 2.5 % on each side.
TEST(Statistics, CriticalValuesAreThePublishedOnes) {
  EXPECT_EQ(critical_u(3, 3), -1);
  EXPECT_EQ(critical_u(4, 4), 0);
  EXPECT_EQ(critical_u(5, 5), 2);
  EXPECT_EQ(critical_u(5, 8), 6);
  EXPECT_EQ(critical_u(8, 5), 6);
  EXPECT_EQ(critical_u(8, 8), 13);
  EXPECT_EQ(critical_u(10, 10), 23);
  EXPECT_EQ(critical_u(20, 20), 127);
}

TEST(Statistics, BeyondTheCountedOnesTheNormalDistributionGoesOn) {
  const auto counted = static_cast<double>(critical_u(100, 100));
  const auto estimated = static_cast<double>(critical_u(101, 100));
  EXPECT_GT(estimated, counted);
  EXPECT_LT(estimated, counted * 1.03);  // one more of 100 samples moves it by about 1 %
}

TEST(Statistics, ARatioIsTheMedianOfAllRatios) {
  const std::vector<double> a = {2, 4, 6, 8}, b = {1, 2, 4, 8};
  const Ratio r = ratio_of(a, b);
  EXPECT_EQ(r.value, 1.75);  // between 1.5 and 2
  ASSERT_TRUE(r.interval);
  EXPECT_EQ(r.interval->low, 0.25);
  EXPECT_EQ(r.interval->high, 8);
}

TEST(Statistics, ThreeAgainstThreeAreTooFewForAnInterval) {
  const std::vector<double> a = {1, 2, 3};
  EXPECT_FALSE(ratio_of(a, a).interval);
  EXPECT_EQ(ratio_of(a, a).value, 1);
}

// 2 of 1 and 4 of 3: 6 of 4, and both blocks are half a unit off.
TEST(Statistics, AMeanOfBlocksIsThatOfWhatTheyHold) {
  const std::vector<double> sums = {2, 4}, sizes = {1, 3};
  const Estimate e = mean_of_blocks(sums, sizes);
  EXPECT_EQ(e.value, 1.5);
  EXPECT_EQ(*e.error, 0.25);
  EXPECT_FALSE(mean_of_blocks(std::span(sums).first(1), std::span(sizes).first(1)).error);
}

// Blocks of unequal size whose tokens share what their block has: their mean is off by as much as
// its error says, in the mean over many texts. The bounds lie four standard deviations away.
TEST(Statistics, TheErrorOfBlocksIsTheSpreadOfTheirMeans) {
  constexpr std::uint64_t kTimes = 2000, kBlocks = 50;
  double off = 0, said = 0;
  for (std::uint64_t i = 0; i < kTimes; ++i) {
    std::vector<double> sums, sizes;
    for (std::uint64_t j = 0; j < kBlocks; ++j) {
      const double each = 7 + random_uniform(6, i, j) - 0.5;
      sizes.push_back(j % 2 == 0 ? 1 : 3);
      sums.push_back(each * sizes.back());
    }
    const Estimate e = mean_of_blocks(sums, sizes);
    off += (e.value - 7) * (e.value - 7);
    said += *e.error * *e.error;
  }
  EXPECT_NEAR(said / off, 1, 4 * std::sqrt(2.0 / kTimes));
}

// The same bits as where all ratios are held and sorted, with ties and without.
TEST(Statistics, RatiosAreFoundAsIfAllWereSorted) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    const auto draw = [i](std::uint64_t stream) {
      std::vector<double> samples(1 + random_bits(8, stream, 1000 * i) % 12);
      for (std::size_t j = 0; j < samples.size(); ++j) {
        const double x = random_uniform(9, stream, 100 * i + j);
        samples[j] = i % 2 == 0 ? 1 + x : 1 + std::floor(4 * x);  // odd ones have ties
      }
      return samples;
    };
    const std::vector<double> a = draw(0), b = draw(1);
    std::vector<double> all;
    for (const double x : a)
      for (const double y : b) all.push_back(x / y);
    std::sort(all.begin(), all.end());
    const Ratio r = ratio_of(a, b);
    SCOPED_TRACE(i);
    EXPECT_EQ(r.value, quantile(all, 0.5));
    const std::int64_t u = critical_u(a.size(), b.size());
    ASSERT_EQ(r.interval.has_value(), u >= 0);
    if (u < 0) continue;
    EXPECT_EQ(r.interval->low, all[static_cast<std::size_t>(u)]);
    EXPECT_EQ(r.interval->high, all[all.size() - 1 - static_cast<std::size_t>(u)]);
  }
}

TEST(Statistics, AHundredThousandSamplesASideAreFewToHold) {
  std::vector<double> a, b;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    a.push_back(3 + random_uniform(3, 0, i));
    b.push_back(1.5 + random_uniform(3, 1, i) / 2);
  }
  const Ratio r = ratio_of(a, b);
  EXPECT_NEAR(r.value, 2, 0.01);
  EXPECT_LT(r.interval->low, 2);
  EXPECT_GT(r.interval->high, 2);
}

// Five samples a side of a lopsided distribution, 4000 times: the interval misses the true factor
// in at most 5 % of them. The exact share for 5 and 5 is 2 * 4 / 252, 3.2 %: the bounds here lie
// six standard deviations above and four below.
TEST(Statistics, TheIntervalHoldsTheTruthAsOftenAsItSays) {
  constexpr double kTruth = 1.3;
  constexpr int kTimes = 4000;
  int missed = 0;
  for (std::uint64_t i = 0; i < kTimes; ++i) {
    std::vector<double> a, b;
    for (std::uint64_t j = 0; j < 5; ++j) {
      const auto draw = [&](std::uint64_t stream) {
        return 1 - 0.3 * std::log(1 - random_uniform(5, stream, i * 5 + j));  // 1 + exponential
      };
      a.push_back(kTruth * draw(0));
      b.push_back(draw(1));
    }
    const Ratio r = ratio_of(a, b);
    missed += !(r.interval->low <= kTruth && kTruth <= r.interval->high);
  }
  EXPECT_LE(missed, 0.05 * kTimes);
  EXPECT_GE(missed, 0.02 * kTimes);  // and is no wider than it must be
}

}  // namespace
}  // namespace r1
