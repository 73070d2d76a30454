#include "lib/quant/lanes.h"

#include <cmath>

#include <gtest/gtest.h>

#include "lib/tensor/dtype.h"

namespace r1::quant {
namespace {

float half_near(float v, int away) { return quant::half_near(all(v), away)[0]; }

// Of either sign, and on both sides of the middle between two.
TEST(Lanes, TheHalfNearIsTheHalfThatIsStored) {
  for (std::uint16_t h = 0; h < 0x7BFF; ++h) {
    const float a = f16_to_f32(h), b = f16_to_f32(static_cast<std::uint16_t>(h + 1));
    const float middle = a + (b - a) / 2;
    for (const float v : {a, std::nextafter(middle, 0.0f), middle, std::nextafter(middle, 1e9f)}) {
      ASSERT_EQ(half_near(v, 0), f16_to_f32(f32_to_f16(v))) << v;
      ASSERT_EQ(half_near(-v, 0), -f16_to_f32(f32_to_f16(v))) << v;
    }
    ASSERT_EQ(half_near(a, 1), b);
    ASSERT_EQ(half_near(-a, 1), h == 0 ? b : -b);
  }
  EXPECT_EQ(half_near(1e9f, 0), 65504.0f);
  EXPECT_EQ(half_near(65504.0f, 1), 65504.0f);
  EXPECT_EQ(half_near(0.0f, -1), 0.0f);
}

TEST(Lanes, RowsGoIntoLanesAndBack) {
  constexpr std::size_t kStride = 19;
  std::array<float, kLanes * kStride> rows, back{};
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i);
  const std::array<Lanes, 16> lanes = to_lanes<16>(rows.data(), kStride);
  for (std::size_t lane = 0; lane < kLanes; ++lane)
    for (std::size_t i = 0; i < lanes.size(); ++i)
      EXPECT_EQ(lanes[i][lane], rows[lane * kStride + i]) << lane << ", " << i;
  from_lanes(back.data(), kStride, lanes);
  for (std::size_t lane = 0; lane < kLanes; ++lane)
    for (std::size_t i = 0; i < kStride; ++i)
      EXPECT_EQ(back[lane * kStride + i], i < lanes.size() ? rows[lane * kStride + i] : 0.0f);
}

}  // namespace
}  // namespace r1::quant
