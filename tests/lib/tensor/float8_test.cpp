#include "lib/tensor/float8.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace r1 {
namespace {

template <typename Format>
class Float8 : public testing::Test {
 protected:
  static float widen(int code) { return float8_to_f32<Format>(static_cast<std::uint8_t>(code)); }
  static int narrow(float value) { return f32_to_float8<Format>(value); }
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();

  // The code of the largest number.
  static constexpr int kLast = Format::kHasInfinity ? 0x7B : 0x7E;
};
using Formats = testing::Types<E4M3, E5M2>;
TYPED_TEST_SUITE(Float8, Formats);

// (-1)^sign 2^(exponent - bias) (1 + fraction), without the 1 and one higher where the exponent is
// 0; what stands above the largest number is no number, or of E5M2 first an infinity.
TYPED_TEST(Float8, EveryCodeIsTheNumberOfTheSpecification) {
  for (int code = 0; code < 256; ++code) {
    const int magnitude = code & 0x7F, exponent = magnitude >> TypeParam::kFraction;
    const double fraction =
        std::ldexp(magnitude % (1 << TypeParam::kFraction), -TypeParam::kFraction);
    const double size = exponent == 0 ? std::ldexp(fraction, 1 - TypeParam::kBias)
                                      : std::ldexp(1.0 + fraction, exponent - TypeParam::kBias);
    const float got = this->widen(code);
    EXPECT_EQ(std::signbit(got), code >= 0x80) << code;
    if (magnitude <= this->kLast)
      EXPECT_EQ(std::abs(got), size) << code;
    else if (TypeParam::kHasInfinity && magnitude == 0x7C)
      EXPECT_TRUE(std::isinf(got)) << code;
    else
      EXPECT_TRUE(std::isnan(got)) << code;
  }
  EXPECT_EQ(this->widen(this->kLast), TypeParam::kLargest);
}

TYPED_TEST(Float8, EveryNumberComesBackAsItsCode) {
  for (int code = 0; code < 256; ++code)
    if ((code & 0x7F) <= this->kLast) {
      EXPECT_EQ(this->narrow(this->widen(code)), code);
    }
}

TYPED_TEST(Float8, ANumberBetweenTwoBecomesTheNearerOrTheEvenOne) {
  for (int code = 0; code < this->kLast; ++code)
    for (const float sign : {1.0f, -1.0f}) {
      const int base = sign < 0 ? 0x80 : 0;
      const float middle = (this->widen(code) + this->widen(code + 1)) / 2;
      EXPECT_EQ(this->narrow(sign * middle), base + code + code % 2) << code;
      EXPECT_EQ(this->narrow(sign * std::nextafter(middle, 0.0f)), base + code) << code;
      EXPECT_EQ(this->narrow(sign * std::nextafter(middle, 1e9f)), base + code + 1) << code;
    }
}

TYPED_TEST(Float8, WhatIsTooLargeBecomesTheLargestNumber) {
  for (const float value :
       {1.001f * TypeParam::kLargest, 2.0f * TypeParam::kLargest, 3e38f, this->kInfinity}) {
    EXPECT_EQ(this->narrow(value), this->kLast) << value;
    EXPECT_EQ(this->narrow(-value), 0x80 + this->kLast) << value;
  }
}

TYPED_TEST(Float8, ANanStaysOne) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(this->widen(this->narrow(nan))));
  EXPECT_TRUE(std::isnan(this->widen(this->narrow(-nan))));
}

TYPED_TEST(Float8, WhatIsTooSmallBecomesAZeroOfItsSign) {
  EXPECT_EQ(this->narrow(1e-40f), 0);
  EXPECT_EQ(this->narrow(-1e-40f), 0x80);
}

}  // namespace
}  // namespace r1
