#include <limits>

#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Op;
using test::Rig;
using LeadersTest = test::KernelTest;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Ids as numbers (they are below 2^24, so that f32 holds them), values, sums.
Op leaders_of(const std::vector<float>& logits, std::int64_t V, std::int64_t allowed,
              std::int64_t K, bool sums = true) {
  return [=](Rig& rig) -> std::vector<std::vector<float>> {
    const auto R = static_cast<std::int64_t>(logits.size()) / V;
    std::vector<float> temperature;
    for (std::int64_t r = 0; r < R; ++r)
      temperature.push_back(0.5f + 0.25f * static_cast<float>(r));
    const Tensor ids = rig.put(std::vector<std::int32_t>(static_cast<std::size_t>(R * K), -7));
    const Tensor by_row = ids.reshaped({R, K}), values = rig.unwritten({R, K});
    const Tensor sum = sums ? rig.unwritten({R}) : Tensor();
    rig->leaders(by_row, values, sum, rig.put({R, V}, logits), rig.put({R}, temperature), allowed);
    const auto found = rig.get<std::int32_t>(ids);
    return {std::vector<float>(found.begin(), found.end()), rig.get(values),
            sums ? rig.get(sum) : std::vector<float>()};
  };
}

// Ids and values are those of the row, without a rounding. A sum of n exponentials of differences
// up to 40, at a temperature from 0.5 on, is off by a share of itself: at most n.
std::vector<std::vector<double>> tolerances(std::int64_t R, std::int64_t K, std::int64_t allowed,
                                            bool sums = true) {
  const auto n = static_cast<std::size_t>(R * K);
  if (!sums) return {std::vector<double>(n, 0.0), std::vector<double>(n, 0.0), {}};
  const double share = test::roundings(allowed) + test::kFunction + 4.0 * 80.0 * test::kF32;
  return {std::vector<double>(n, 0.0), std::vector<double>(n, 0.0),
          std::vector<double>(static_cast<std::size_t>(R), static_cast<double>(allowed) * share)};
}

TEST_F(LeadersTest, AreTheLargestInOrder) {
  for (const std::int64_t R : {1, 3})
    for (const std::int64_t V : {1, 7, 127, 128, 129, 257, 1031})
      for (const std::int64_t K : {1, 2, 33, 128}) {
        const std::int64_t allowed = V > 7 ? V - 3 : V;  // what lies behind does not count
        if (K > allowed) continue;
        SCOPED_TRACE(to_string(Shape{R, V, K}));
        const auto logits = test::random_values(R * V, 11, -20.0f, 20.0f);
        expect_agreement(leaders_of(logits, V, allowed, K), tolerances(R, K, allowed));
      }
}

TEST_F(LeadersTest, OfEqualsTheLowerColumnIsFirst) {
  constexpr std::int64_t V = 300;
  for (const std::int64_t K : {1, 5, 128}) {
    SCOPED_TRACE(std::to_string(K));
    std::vector<float> logits(static_cast<std::size_t>(2 * V), 1.0f);
    for (const std::size_t i : {3U, 40U, 299U}) logits[i] = 2.0f;
    for (std::size_t i = V; i < 2 * V; ++i) logits[i] = i % 2 == 0 ? 0.0f : -0.0f;
    expect_agreement(leaders_of(logits, V, V, K, false), tolerances(2, K, V, false));
  }
}

TEST_F(LeadersTest, NumbersOfAnySizeAreInOrder) {
  const std::vector<float> logits = {-1e38f, 1e38f, -1e-38f, 1e-38f, 0.0f,  -kInfinity,
                                     -2.5f,  2.5f,  -1e-45f, 1e-45f, 3e-5f, -kInfinity};
  expect_agreement(leaders_of(logits, 12, 12, 10, false), tolerances(1, 10, 12, false));
  const Op ids = [&](Rig& rig) -> std::vector<std::vector<float>> {
    return {leaders_of(logits, 12, 12, 12, false)(rig)[0]};
  };
  expect_agreement(ids, {std::vector<double>(12, 0.0)});
}

// One bad row says so, whatever else the others hold.
TEST_F(LeadersTest, ARowThatIsNoNumbersSaysSo) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> logits = {1.0f,       kNan,       0.0f,       1.0f, kInfinity, 0.0f,
                                     -kInfinity, -kInfinity, -kInfinity, 1.0f, 2.0f,      3.0f};
  for (const std::int64_t K : {1, 3}) {
    const Op first_ids = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const auto ids = leaders_of(logits, 3, 3, K)(rig)[0];
      std::vector<float> first;
      for (std::size_t r = 0; r < 4; ++r) first.push_back(ids[r * static_cast<std::size_t>(K)]);
      return {first};
    };
    EXPECT_EQ(on_ref(first_ids)[0], (std::vector<float>{-1, -1, -1, 2}));
    expect_agreement(first_ids, {std::vector<double>(4, 0.0)});
  }
}

}  // namespace
}  // namespace r1
