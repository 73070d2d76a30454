#include "lib/train/schedule.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

std::vector<double> shares(const ScheduleOptions& options) {
  std::vector<double> all;
  for (std::int64_t step = 1; step <= options.steps; ++step)
    all.push_back(rate_share(options, step));
  return all;
}

void expect_near(const std::vector<double>& have, const std::vector<double>& want) {
  ASSERT_EQ(have.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(have[i], want[i], 1e-12) << i + 1;
}

TEST(Schedule, IsItsTable) {
  const auto options = [](Schedule schedule, double warmup, double least) {
    return ScheduleOptions{
        .schedule = schedule, .warmup = warmup, .least = least, .decay_share = 0.4, .steps = 10};
  };
  expect_near(shares(options(Schedule::constant, 0.3, 0)),
              {1 / 3.0, 2 / 3.0, 1, 1, 1, 1, 1, 1, 1, 1});
  expect_near(shares(options(Schedule::linear, 0.2, 0)),
              {0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125});
  expect_near(shares(options(Schedule::linear, 0, 0.5)),
              {1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55});
  expect_near(shares(options(Schedule::wsd, 0.1, 0)), {1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25});
  const std::vector<double> cosine = shares(options(Schedule::cosine, 0.2, 0.1));
  EXPECT_EQ(cosine[1], 1);
  EXPECT_NEAR(cosine[6], 0.55, 1e-12);  // half way
  EXPECT_GT(cosine[9], 0.1);
  EXPECT_LT(cosine[9], 0.15);
}

}  // namespace
}  // namespace r1
