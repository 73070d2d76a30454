#include "tools/finetune/curve.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include <gtest/gtest.h>

namespace r1 {
namespace {

// A run of `steps` records, each tenth with a loss on --val.
std::vector<TrainRecord> run(std::int64_t steps) {
  std::vector<TrainRecord> records = {{.step = 0, .val_loss = 3.5}};
  for (std::int64_t n = 1; n <= steps; ++n) {
    TrainRecord r{.step = n, .loss = 1 + 2 / std::sqrt(static_cast<double>(n))};
    if (n % 10 == 0) r.val_loss = *r.loss + 0.25;
    records.push_back(r);
  }
  return records;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Curve, OfARunIsThePictureThatWasLookedAt) {
  EXPECT_EQ(loss_svg(run(30)), read(R1_SOURCE_DIR "/tests/tools/curve.svg"));
}

TEST(Curve, WithoutValidationHasOneLine) {
  const std::string svg = loss_svg({{.step = 10, .loss = 2.0}, {.step = 20, .loss = 1.0}});
  EXPECT_EQ(count(svg, "<polyline"), 1u);
  EXPECT_EQ(count(svg, ">validation<"), 0u);
}

// What is summed up in another order may differ by its last bit.
TEST(Curve, OfLossesThatAreAlmostEqualEnds) {
  for (const double loss : {5.0, 1e9, -3.0, 1e-12}) {
    const double next = std::nextafter(loss, 1e300);
    const std::string svg = loss_svg({{.step = 10, .loss = loss}, {.step = 20, .loss = next}});
    EXPECT_LT(svg.size(), 5000u);
    EXPECT_EQ(count(svg, "nan"), 0u);
  }
}

TEST(Curve, OfPairsSaysSo) { EXPECT_EQ(count(loss_svg(run(3), "pair"), ">nats a pair<"), 1u); }

TEST(Curve, LeavesOutWhatIsNoNumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<TrainRecord> with = {
      {.step = 1, .loss = 2.0}, {.step = 2, .loss = nan}, {.step = 3}, {.step = 4, .loss = 1.0}};
  EXPECT_EQ(loss_svg(with), loss_svg({{.step = 1, .loss = 2.0}, {.step = 4, .loss = 1.0}}));
  EXPECT_EQ(count(loss_svg({{.step = 1}}), "<polyline"), 0u);
  EXPECT_EQ(count(loss_svg({}), "nan"), 0u);
}

TEST(Curve, OfALongRunIsNoLongerThanAPixelAPoint) {
  EXPECT_LT(loss_svg(run(100000)).size(), 20000u);
}

TEST(Curve, OfOneValueStandsInItsFrame) {
  for (const double loss : {0.0, 1.5, -2.0, 1e9}) {
    const RoundAxis axis = round_axis(loss, loss, 0, 364, 56);
    EXPECT_GE(axis.at(loss), 56) << loss;
    EXPECT_LE(axis.at(loss), 364) << loss;
  }
}

TEST(Axis, HasRoundTicksAroundItsValues) {
  const RoundAxis axis = round_axis(0.93, 3.51, 0, 0, 1);
  EXPECT_EQ(axis.ticks(), (std::vector<double>{0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4}));
  EXPECT_EQ(round_axis(0, 30, 1, 0, 1).ticks(), (std::vector<double>{0, 5, 10, 15, 20, 25, 30}));
  EXPECT_EQ(round_axis(0, 2, 1, 0, 1).ticks(), (std::vector<double>{0, 1, 2}));  // whole steps
}

TEST(Axis, HasFewTicksWhateverItsValues) {
  for (double high = 1e-6; high < 1e12; high *= 1.7) {
    const RoundAxis axis = round_axis(-0.3 * high, high, 0, 0, 1);
    EXPECT_LE(axis.ticks().size(), 9u) << high;
    EXPECT_GE(axis.ticks().size(), 3u) << high;
    EXPECT_LE(axis.low, -0.3 * high);
    EXPECT_GE(axis.high, high * (1 - 1e-12));
  }
}

}  // namespace
}  // namespace r1
