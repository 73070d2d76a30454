#include "lib/quant/storable.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "lib/quant/search.h"
#include "lib/quant/types.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/backends.h"
#include "tests/support/fails.h"

namespace r1 {
namespace {

// But for f32, which reaches all there is.
std::vector<DType> types() {
  std::vector<DType> types = quantized_types();
  types.insert(types.end(), {DType::f16, DType::bf16});
  return types;
}

// What comes back of 256 numbers of which the largest is so large.
std::vector<float> stored(float largest, DType dtype, bool search) {
  std::vector<float> values = test::random_values(256, 1);
  values[40] = largest;
  std::vector<std::byte> blocks(Tensor{nullptr, {256}, dtype}.bytes());
  search ? pack_row(blocks.data(), values, {}, dtype) : pack(blocks.data(), values, dtype);
  unpack(values, blocks.data(), dtype);
  return values;
}

TEST(Storable, NumbersOfAnyTypeReachAsFarAsItIsSaid) {
  for (const DType dtype : types())
    for (const bool search : {false, true})
      for (const float sign : {-1.0f, 1.0f}) {
        const float most = sign * reach(dtype);
        EXPECT_TRUE(storable(std::vector<float>{most}, reach(dtype)) == Storable::yes);
        const std::vector<float> there = stored(most, dtype, search);
        EXPECT_TRUE(storable(there, reach(DType::f32)) == Storable::yes) << to_string(dtype);
        EXPECT_LE(std::abs(there[40] / most - 1), 0.15f) << to_string(dtype) << search << sign;
      }
}

TEST(Storable, BeyondThatNumbersAreLost) {
  for (const DType dtype : types()) {
    const float most = -1.003f * reach(dtype);
    EXPECT_TRUE(storable(std::vector<float>{most}, reach(dtype)) != Storable::yes);
    const std::vector<float> there = stored(most, dtype, false);
    EXPECT_FALSE(std::all_of(there.begin(), there.end(), [](float v) { return std::isfinite(v); }))
        << to_string(dtype);
  }
}

TEST(Storable, WhatIsWrongIsNamed) {
  need_storable(Storable::yes, "a", "f16");
  EXPECT_FAILS(ErrorKind::model, "a holds a number that is not finite",
               need_storable(storable(std::vector<float>{1, NAN}, 2), "a", "f16"));
  EXPECT_FAILS(ErrorKind::model, "a holds a number too large for f16",
               need_storable(storable(std::vector<float>{-3, 1}, 2), "a", "f16"));
}

}  // namespace
}  // namespace r1
