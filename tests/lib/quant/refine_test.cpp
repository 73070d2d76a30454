#include <vector>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/quant/block_search.h"

namespace r1::quant {
namespace {

double error(const float* x, const float* importance, const BlockGrid& grid, std::size_t j,
             const Levels& shape) {
  const auto at = static_cast<std::int64_t>(j);
  double sum = 0;
  for (int i = 0; i < shape.sub_block; ++i) {
    const float q = nearest_level(x[i], grid.step(at), grid.low(at), shape);
    const double e = double{x[i]} - double{grid.step(at) * q - grid.low(at)};
    sum += double{importance[i]} * e * e;
  }
  return sum;
}

// The scales are those of other numbers: there is something to gain, for whole fours and others.
TEST(Refine, FitsASubBlockAndLeavesTheOthers) {
  std::vector<float> x(5 * 256), importance(256);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(2 * random_uniform(1, 0, i) - 1);
  for (std::size_t i = 0; i < 256; ++i)
    importance[i] = static_cast<float>(0.1 + random_uniform(2, 0, i));
  for (const DType dtype : {DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_xs}) {
    const Levels shape = levels_of(dtype);
    double gained = 0;
    for (const auto& [count, j] : {std::pair{1, 5u}, {3, 0u}, {4, 7u}, {4, 2u}}) {
      BlockGrid before[kRun], after[kRun], *grids[kRun];
      search_blocks(before, {x.data(), 256, importance.data(), 0, count}, dtype);
      for (int i = 0; i < count; ++i) {
        after[i] = before[i];
        grids[i] = &after[i];
      }
      const std::size_t column = j * static_cast<std::size_t>(shape.sub_block);
      std::vector<float> moved = x;
      for (float& v : moved) v = 0.98f * v + 0.01f;
      refine(grids, j, {moved.data() + column, 256, importance.data() + column, 0, count}, dtype);
      for (int i = 0; i < count; ++i) {
        const float* here = moved.data() + 256 * static_cast<std::size_t>(i) + column;
        const double was = error(here, importance.data() + column, before[i], j, shape);
        const double is = error(here, importance.data() + column, after[i], j, shape);
        EXPECT_LE(is, was * (1 + 1e-5)) << to_string(dtype) << ", row " << i << " of " << count;
        gained += was - is;
        after[i].scale[j] = before[i].scale[j];
        if (shape.minima) after[i].minimum[j] = before[i].minimum[j];
        for (std::int64_t k = 0; k < 256 / shape.sub_block; ++k) {
          EXPECT_EQ(after[i].step(k), before[i].step(k));
          EXPECT_EQ(after[i].low(k), before[i].low(k));
        }
      }
    }
    EXPECT_GT(gained, 0) << to_string(dtype);
  }
}

}  // namespace
}  // namespace r1::quant
