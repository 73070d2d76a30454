#include <cmath>

#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Op;
using test::Rig;
using RopeTest = test::KernelTest;

const std::vector<std::int32_t> kPositions = {0, 1, 2, 63, 64, 1000, 131071};

std::vector<float> frequencies(std::int64_t half) {
  std::vector<float> f;
  for (std::int64_t i = 0; i < half; ++i)
    f.push_back(
        static_cast<float>(std::pow(1e4, -static_cast<double>(i) / static_cast<double>(half))));
  return f;
}

// The angle is one f32 product, the same everywhere; cos and sin of it are at most 1.
TEST_F(RopeTest, TableAgreesAtNearAndFarPositions) {
  const auto T = static_cast<std::int64_t>(kPositions.size());
  for (const std::int64_t half : {1, 3, 8, 32, 33, 64}) {
    SCOPED_TRACE(half);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor table = rig.unwritten({T, half, 2});
      rig->rope_table(table, rig.put(kPositions), rig.put({half}, frequencies(half)), 1.25f);
      return {rig.get(table)};
    };
    expect_agreement(
        op, {std::vector<double>(static_cast<std::size_t>(T * half * 2), 1.25 * test::kFunction)});
  }
}

// Each result is a sum of two products of numbers up to 1; back it is added to one up to 1.
TEST_F(RopeTest, TurningForthAndBackAgrees) {
  const auto T = static_cast<std::int64_t>(kPositions.size());
  for (const bool interleaved : {false, true})
    for (const std::int64_t H : {1, 3})
      for (const std::int64_t hd : {2, 6, 16, 34, 64, 128}) {
        SCOPED_TRACE(to_string(Shape{T, H, hd}) + (interleaved ? " interleaved" : ""));
        const std::vector<float> table = on_ref([&](Rig& rig) -> std::vector<std::vector<float>> {
          const Tensor t = rig.unwritten({T, hd / 2, 2});
          rig->rope_table(t, rig.put(kPositions), rig.put({hd / 2}, frequencies(hd / 2)), 1.0f);
          return {rig.get(t)};
        })[0];
        const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
          const Tensor turn = rig.put({T, hd / 2, 2}, table), y = rig.unwritten({T, H, hd});
          const Tensor x = rig.put({T, H, hd}, test::random_values(T * H * hd, 1));
          const Tensor dx = rig.begun({T, H, hd});
          rig->rope(y, x, turn, interleaved);
          rig->rope_backward(dx, x, turn, interleaved);
          rig->rope_backward({}, x, turn, interleaved);
          return {rig.get(y), rig.get(dx)};
        };
        const auto elements = static_cast<std::size_t>(T * H * hd);
        expect_agreement(op, {std::vector<double>(elements, test::roundings(3) * 2.0),
                              std::vector<double>(elements, test::roundings(4) * 3.0)});
      }
}

// A quarter turn of the first pair, by hand.
TEST_F(RopeTest, PairsAreHalvesOrNeighbours) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    SCOPED_TRACE(candidate.name);
    Rig rig(candidate);
    const Tensor table = rig.put({1, 2, 2}, {0.0f, 1.0f, 1.0f, 0.0f});
    const Tensor x = rig.put({1, 1, 4}, {1.0f, 2.0f, 3.0f, 4.0f}), y = rig.unwritten({1, 1, 4});
    rig->rope(y, x, table, false);
    EXPECT_EQ(rig.get(y), (std::vector<float>{-3.0f, 2.0f, 1.0f, 4.0f}));
    rig->rope(y, x, table, true);
    EXPECT_EQ(rig.get(y), (std::vector<float>{-2.0f, 1.0f, 3.0f, 4.0f}));
  }
}

}  // namespace
}  // namespace r1
