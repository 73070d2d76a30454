#include "lib/base/distribution.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "tests/support/tolerance.h"

namespace r1 {
namespace {

constexpr double kRounding = 16 * std::numeric_limits<double>::epsilon();
constexpr float kRuledOut = -std::numeric_limits<float>::infinity();

TEST(Distribution, ARowOfLogitsIsADistribution) {
  const std::vector<float> logits = {1, 1, kRuledOut, 1, 1};
  const Distribution d = distribution(logits);
  EXPECT_NEAR(d.nll(0), std::log(4), kRounding);
  EXPECT_EQ(d.nll(2), std::numeric_limits<double>::infinity());
  EXPECT_EQ(d.best, 0u);  // the lower of equals
  EXPECT_EQ(distribution(std::vector<float>{0, 1000, 3}).best, 1u);
  EXPECT_EQ(distribution(std::vector<float>{0, 1000, 3}).nll(1), 0);
  for (const float bad : {NAN, INFINITY})
    EXPECT_FALSE(std::isfinite(distribution(std::vector<float>{0, bad, 3}).log_sum));
}

// Halves against quarters: a bit; the other way round half of the mass is where the base has none.
TEST(Distribution, DivergenceIsThatOfTheBaseFromTheModel) {
  const std::vector<float> halves = {5, kRuledOut, 5, kRuledOut}, quarters = {2, 2, 2, 2};
  EXPECT_NEAR(divergence(distribution(halves), distribution(quarters)), std::log(2), kRounding);
  EXPECT_EQ(divergence(distribution(quarters), distribution(halves)),
            std::numeric_limits<double>::infinity());
  const std::vector<float> even = {0, 0}, odd = {0, static_cast<float>(std::log(3))};
  const double wanted = 0.25 * std::log(0.25 / 0.5) + 0.75 * std::log(0.75 / 0.5);
  EXPECT_NEAR(divergence(distribution(odd), distribution(even)), wanted, 2 * test::kF32);
}

TEST(Distribution, ADistributionDoesNotDivergeFromItself) {
  std::vector<float> logits;
  for (std::uint64_t i = 0; i < 1000; ++i)
    logits.push_back(static_cast<float>(20 * random_uniform(3, 0, i) - 10));
  EXPECT_EQ(divergence(distribution(logits), distribution(logits)), 0);
}

}  // namespace
}  // namespace r1
