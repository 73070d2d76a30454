#include "tools/bench/arrivals.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/fails.h"
#include "tools/bench/statistics.h"

namespace r1 {
namespace {

constexpr LengthDistribution kLengths{200, 50, 0.5};

TEST(Arrivals, TheSameSeedGivesTheSameRequests) {
  const auto a = make_requests(20, 5, kLengths, 3), b = make_requests(20, 5, kLengths, 3);
  const auto other = make_requests(20, 5, kLengths, 4);
  int differ = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].at_ns, b[i].at_ns);
    EXPECT_EQ(a[i].prompt_tokens, b[i].prompt_tokens);
    differ += a[i].at_ns != other[i].at_ns;
  }
  EXPECT_GT(differ, 15);
}

// Of n gaps with mean 1 / rate, the mean strays by 1 / rate / sqrt(n): four of these are allowed.
// So it is for the squares, whose mean is 2 / rate² and whose deviation is sqrt(20) / rate².
TEST(Arrivals, GapsAreExponential) {
  constexpr std::int64_t kCount = 10000;
  constexpr double kRate = 5;
  const auto requests = make_requests(kCount, kRate, kLengths, 1);
  double sum = 0, squares = 0, before = 0;
  for (const ServeRequest& r : requests) {
    const double gap = (r.at_ns - before) / 1e9 * kRate;
    ASSERT_GE(gap, 0);
    before = r.at_ns;
    sum += gap;
    squares += gap * gap;
  }
  EXPECT_NEAR(sum / kCount, 1, 4 / std::sqrt(kCount));
  EXPECT_NEAR(squares / kCount, 2, 4 * std::sqrt(20.0 / kCount));
}

// The log of a length is normal: its mean strays by spread / sqrt(n), its deviation by that over
// sqrt(2); rounding to whole tokens of about 200 moves both by less than 1e-3.
TEST(Arrivals, LengthsAreLognormalAroundTheirMedian) {
  constexpr std::int64_t kCount = 10000;
  std::vector<double> logs;
  for (const ServeRequest& r : make_requests(kCount, 0, kLengths, 2))
    logs.push_back(std::log(static_cast<double>(r.prompt_tokens)));
  const Statistics s = statistics(logs);
  EXPECT_NEAR(s.mean, std::log(200), 4 * 0.5 / std::sqrt(kCount) + 1e-3);
  EXPECT_NEAR(s.stddev, 0.5, 4 * 0.5 / std::sqrt(2.0 * kCount) + 1e-3);
}

TEST(Arrivals, WithoutARateAllAreThereAtOnce) {
  for (const ServeRequest& r : make_requests(5, 0, kLengths, 1)) EXPECT_EQ(r.at_ns, 0);
}

TEST(Arrivals, LengthsFromAFileAreTakenInTurn) {
  const auto r = make_requests(3, 0, "10 20\n\n30\t40\n", "f", 1);
  EXPECT_EQ(r[0].prompt_tokens, 10);
  EXPECT_EQ(r[1].answer_tokens, 40);
  EXPECT_EQ(r[2].prompt_tokens, 10);
  EXPECT_FAILS(ErrorKind::usage, "f:2", make_requests(1, 0, "1 2\n3\n", "f", 1));
  EXPECT_FAILS(ErrorKind::usage, "f:1", make_requests(1, 0, "0 2\n", "f", 1));
  EXPECT_FAILS(ErrorKind::usage, "f:1", make_requests(1, 0, "1 x\n", "f", 1));
  EXPECT_FAILS(ErrorKind::usage, "no lengths", make_requests(1, 0, "\n", "f", 1));
}

TEST(Arrivals, WhatIsTooLongIsCutAndCounted) {
  std::vector<ServeRequest> r = {{0, 10, 10}, {0, 500, 10}, {0, 10, 500}, {0, 500, 500}};
  EXPECT_EQ(fit_into(r, 100), 3);
  for (const ServeRequest& one : r) {
    EXPECT_LE(one.prompt_tokens + one.answer_tokens, 100);
    EXPECT_GE(one.prompt_tokens, 1);
    EXPECT_GE(one.answer_tokens, 1);
  }
  EXPECT_EQ(r[1].prompt_tokens, 90);
}

}  // namespace
}  // namespace r1
