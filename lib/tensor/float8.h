#pragma once

#include <bit>
#include <cstdint>

#include "lib/tensor/dtype.h"

namespace r1 {

// The two numbers of 8 bits of OCP 8-bit Floating Point Specification 1.0: sign, exponent,
// fraction. One definition for the CPU and for CUDA, whose older cards have no instruction for it.
struct E4M3 {
  static constexpr int kFraction = 3, kBias = 7;
  static constexpr float kLargest = 448.0f;
  static constexpr bool kHasInfinity = false;
};
struct E5M2 {
  static constexpr int kFraction = 2, kBias = 15;
  static constexpr float kLargest = 57344.0f;
  static constexpr bool kHasInfinity = true;
};

template <typename Format>
constexpr float float8_to_f32(std::uint8_t bits) {
  constexpr unsigned kOne = 1u << Format::kFraction;
  const unsigned magnitude = bits & 0x7Fu, fraction = magnitude % kOne;
  const std::uint32_t sign = std::uint32_t{bits & 0x80u} << 24;
  const unsigned first_special = Format::kHasInfinity ? 0x7Cu : 0x7Fu;
  if (magnitude >= first_special) {  // infinite, or no number
    const bool infinite = Format::kHasInfinity && magnitude == first_special;
    return std::bit_cast<float>(sign | (infinite ? 0x7F800000u : 0x7FC00000u));
  }
  if (magnitude < kOne) {  // zero or subnormal: steps of the smallest exponent, exact in f32
    constexpr float kStep =
        std::bit_cast<float>(std::uint32_t{128 - Format::kBias - Format::kFraction} << 23);
    return std::bit_cast<float>(sign |
                                std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * kStep));
  }
  return std::bit_cast<float>(sign | ((magnitude << (23 - Format::kFraction)) +
                                      (std::uint32_t{127 - Format::kBias} << 23)));
}

// To nearest even. What is too large, infinity too, becomes the largest number; a NaN stays one.
template <typename Format>
constexpr std::uint8_t f32_to_float8(float value) {
  constexpr int kShift = 23 - Format::kFraction;
  constexpr std::uint32_t kLargest = std::bit_cast<std::uint32_t>(Format::kLargest);
  constexpr std::uint32_t kOffset = std::uint32_t{127 - Format::kBias} << Format::kFraction;
  constexpr std::uint32_t kSmallestNormal = std::uint32_t{128 - Format::kBias} << 23;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 24) & 0x80u;
  std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<std::uint8_t>(sign | 0x7Fu);
  if (magnitude > kLargest) magnitude = kLargest;
  if (magnitude < kSmallestNormal) {  // an f32 addition does the rounding: its step is ours there
    constexpr std::uint32_t kStepOne = kSmallestNormal + (std::uint32_t{kShift} << 23);
    const float sum = std::bit_cast<float>(magnitude) + std::bit_cast<float>(kStepOne);
    return static_cast<std::uint8_t>(sign | (std::bit_cast<std::uint32_t>(sum) - kStepOne));
  }
  const std::uint32_t rounded =
      magnitude + (1u << (kShift - 1)) - 1u + ((magnitude >> kShift) & 1u);
  return static_cast<std::uint8_t>(sign | ((rounded >> kShift) - kOffset));
}

// What numbers of at most `most` are divided by, so that the largest becomes the largest 8-bit one;
// 1 where that would be no normal number.
template <typename Format>
constexpr float float8_scale(float most) {
  constexpr float kSmallestNormal = 0x1p-126f;
  const float scale = most / Format::kLargest;
  return scale < kSmallestNormal ? 1.0f : scale;
}

// body(E4M3()) or body(E5M2()).
template <typename Body>
decltype(auto) with_float8(DType dtype, const Body& body) {
  return dtype == DType::f8_e4m3 ? body(E4M3()) : body(E5M2());
}

}  // namespace r1
