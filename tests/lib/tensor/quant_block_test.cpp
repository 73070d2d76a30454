#include "lib/tensor/quant_block.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/tensor/nearest_in_codebook.h"
#include "lib/tensor/tensor.h"

namespace r1 {
namespace {

constexpr DType kQuantized[] = {DType::q8_0, DType::q4_0,   DType::q4_k,  DType::q5_k,
                                DType::q6_k, DType::iq4_nl, DType::iq4_xs};

std::vector<float> random_values(std::size_t n, std::uint64_t seed) {
  std::vector<float> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<float>(2 * random_uniform(seed, 0, i) - 1);
  return v;
}

std::vector<float> through(const std::vector<float>& values, DType dtype) {
  std::vector<unsigned char> blocks(
      values.size() / static_cast<std::size_t>(block_elements(dtype)) * block_bytes(dtype));
  std::vector<float> back(values.size());
  pack(blocks.data(), values, dtype);
  unpack(back, blocks.data(), dtype);
  return back;
}

TEST(Half, EveryHalfSurvivesTheRoundTrip) {
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    const float f = f16_to_f32(static_cast<std::uint16_t>(h));
    if (std::isnan(f))
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f))));
    else
      ASSERT_EQ(f32_to_f16(f), h) << f;
  }
}

// Between two neighbouring halves the nearer one is taken, and the even one in the middle.
TEST(Half, RoundingIsToNearestEven) {
  for (std::uint16_t h = 0; h < 0x7BFF; ++h) {
    const float a = f16_to_f32(h), b = f16_to_f32(static_cast<std::uint16_t>(h + 1));
    const float middle = a + (b - a) / 2;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), h) << a;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 1e9f)), h + 1) << a;
    ASSERT_EQ(f32_to_f16(middle), h % 2 == 0 ? h : h + 1) << a;
  }
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7C00);
}

// In rows, where loops are vectors.
TEST(Half, RowsAreConvertedAsOne) {
  std::vector<std::uint16_t> halves(0x10000 + 3), back(halves.size());
  for (std::size_t h = 0; h < halves.size(); ++h) halves[h] = static_cast<std::uint16_t>(h);
  std::vector<float> row(halves.size());
  unpack(row, halves.data(), DType::f16);
  pack(back.data(), row, DType::f16);
  for (std::size_t h = 0; h < halves.size(); ++h) {
    const float one = f16_to_f32(halves[h]);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(row[h]), std::bit_cast<std::uint32_t>(one)) << h;
    ASSERT_EQ(back[h], f32_to_f16(one)) << h;
  }
}

TEST(Bf16, RoundingIsToNearestEven) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3F80);
  EXPECT_EQ(f32_to_bf16(1.00390625f), 0x3F80);  // the middle, and 0x3F80 is even
  EXPECT_EQ(f32_to_bf16(1.01171875f), 0x3F82);  // the middle, and 0x3F82 is even
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::numeric_limits<float>::quiet_NaN()))));
}

// Half a step of each grid, over the range its blocks can have: values lie in [-1, 1].
TEST(QuantBlock, PackingStaysWithinTheGrid) {
  const auto worst_allowed = [](DType dtype) {
    switch (dtype) {
      case DType::q8_0:
        return 0.5 / 127 + 0x1p-11;  // half a step, and a step that f16 made too short
      case DType::q4_0:
        return 1.0 / 8;  // the end of the shorter side may be a whole step off
      case DType::q4_k:
        return 2.0 / 15 / 2 + 2.0 / 63;  // half a step, and the rounding of scale and minimum
      case DType::q5_k:
        return 2.0 / 31 / 2 + 2.0 / 63;
      case DType::q6_k:
        return 1.0 / 31 / 2 + 1.0 / 31;
      case DType::iq4_nl:
        return 14.0 / 127;  // the end of the shorter side
      default:
        return 14.0 / 127 + 0.5 / 31;  // and the rounding of a scale
    }
  };
  const std::vector<float> values = random_values(256 * 40, 7);
  for (const DType dtype : kQuantized) {
    const std::vector<float> back = through(values, dtype);
    double worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double d = std::abs(double{values[i]} - double{back[i]});
      if (!(d <= worst)) worst = d;
    }
    EXPECT_LE(worst, worst_allowed(dtype) * 1.01) << to_string(dtype);
    EXPECT_GT(worst, worst_allowed(dtype) / 20) << to_string(dtype) << " is suspiciously good";
  }
}

// What lies on a grid already comes back as it was.
TEST(QuantBlock, PackingTwiceChangesNothing) {
  const std::vector<float> values = random_values(512, 3);
  for (const DType dtype : {DType::q8_0, DType::q4_0, DType::iq4_nl}) {
    const std::vector<float> once = through(values, dtype);
    const std::vector<float> twice = through(once, dtype);
    for (std::size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(once[i], twice[i], 1e-3f);
  }
}

TEST(QuantBlock, ZerosStayZero) {
  const std::vector<float> zeros(256, 0.0f);
  for (const DType dtype : kQuantized) EXPECT_EQ(through(zeros, dtype), zeros) << to_string(dtype);
}

// One hand-made block a type, values worked out from the layout in the GGUF specification.
TEST(QuantBlock, ReadsTheSpecifiedLayout) {
  BlockQ4_0 q4{};
  q4.d = f32_to_f16(0.5f);
  q4.q[0] = 0x1F;
  std::vector<float> y(256);
  unpack(std::span(y).first(32), &q4, DType::q4_0);
  EXPECT_EQ(y[0], 0.5f * 7);
  EXPECT_EQ(y[16], 0.5f * -7);
  EXPECT_EQ(y[1], -4.0f);

  BlockQ4_K k{};
  k.d = f32_to_f16(2.0f);
  k.m = f32_to_f16(1.0f);
  k.s[0] = 3, k.s[4] = 5;                         // sub-block 0: scale 3, minimum 5
  k.s[8] = 0x21, k.s[0] |= 0xC0, k.s[4] |= 0x40;  // sub-block 4: scale 1 + 3·16, minimum 2 + 1·16
  k.q[0] = 0x07, k.q[64] = 0x09;
  unpack(y, &k, DType::q4_k);
  EXPECT_EQ(y[0], 2.0f * 3 * 7 - 5);
  EXPECT_EQ(y[128], 2.0f * 49 * 9 - 18);

  BlockQ6_K six{};
  six.d = f32_to_f16(1.0f);
  six.s[0] = 2, six.s[13] = -3;
  six.l[0] = 0x0F, six.h[0] = 0x02;              // element 0: 15 + 2·16
  six.l[64 + 16] = 0x50, six.h[32 + 16] = 0x10;  // half 1, k = 2, i = 16: 5 + 1·16
  unpack(y, &six, DType::q6_k);
  EXPECT_EQ(y[0], 2.0f * (47 - 32));
  EXPECT_EQ(y[128 + 64 + 16], -3.0f * (21 - 32));

  BlockIQ4_NL nl{};
  nl.d = f32_to_f16(0.5f);
  nl.q[3] = 0x8F;
  unpack(std::span(y).first(32), &nl, DType::iq4_nl);
  EXPECT_EQ(y[3], 0.5f * 113);
  EXPECT_EQ(y[19], 0.5f);
  EXPECT_EQ(y[0], 0.5f * -127);

  BlockIQ4_XS xs{};
  xs.d = f32_to_f16(0.25f);
  xs.s[0] = 0x08, xs.s[1] = 0x80;  // the high bits: 2 of sub-block 1, 2 of sub-block 7
  xs.s[2] = 0x50, xs.s[5] = 0x30;  // the low bits: 5 and 3
  xs.q[16 + 2] = 0x07, xs.q[112 + 15] = 0x90;
  unpack(y, &xs, DType::iq4_xs);
  EXPECT_EQ(y[0], 0.25f * -32 * -127);
  EXPECT_EQ(y[32 + 2], 0.25f * 5 * -10);
  EXPECT_EQ(y[224 + 16 + 15], 0.25f * 3 * 13);
}

TEST(QuantBlock, ASixBitScaleComesBackBesideTheOthers) {
  std::uint8_t s[6] = {};
  const auto scale = [](int j) { return (j * 29 + 11) % 64 - 32; };
  for (int j = 0; j < 8; ++j) set_scale_of_six_bits(s, j, scale(j));
  for (int j = 0; j < 8; ++j) EXPECT_EQ(scale_of_six_bits(s, j), scale(j)) << j;
}

TEST(Codebook, TheNearestNumberIsTaken) {
  for (float x = -140.0f; x < 140.0f; x += 0.0625f) {
    const float got = nearest_in_codebook(x);
    float least = HUGE_VALF;
    for (const std::int8_t number : kCodebook)
      least = std::min(least, std::abs(x - static_cast<float>(number)));
    ASSERT_EQ(std::abs(x - got), least) << x;
  }
  EXPECT_EQ(nearest_in_codebook(std::numeric_limits<float>::quiet_NaN()), -127.0f);
}

}  // namespace
}  // namespace r1
