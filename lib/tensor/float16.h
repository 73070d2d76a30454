#pragma once

#include <bit>
#include <cstdint>

namespace r1 {

// The two floats of 16 bits: IEEE 754's half precision, and bfloat16. Without branches, so that
// loops of them become vectors. Widening is exact and keeps a NaN's bits; narrowing takes the
// nearest, ties to even.

// Of two results that are both at hand. A conditional expression would let the compiler work out
// the one it needs behind a branch.
inline std::uint32_t either(bool first, std::uint32_t a, std::uint32_t b) {
  const std::uint32_t mask = 0u - std::uint32_t{first};
  return (a & mask) | (b & ~mask);
}

inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, magnitude = half & 0x7FFFu;
  const std::uint32_t bits = magnitude << 13;  // 2^-112 of it, in f32
  const std::uint32_t scaled = bits + (magnitude < 0x7C00u ? 112u << 23 : 224u << 23);
  const float subnormal = std::bit_cast<float>(bits + (113u << 23)) - 0x1p-14f;
  return std::bit_cast<float>(
      sign | either(magnitude < 0x400u, std::bit_cast<std::uint32_t>(subnormal), scaled));
}

// Infinite from 65520 on.
inline std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t rounded = (magnitude + 0xFFFu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
  // Below 2^-14, where halves lie 2^-24 apart, an f32 addition does the rounding.
  const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u;
  const std::uint32_t finite = either(magnitude < 0x38800000u, subnormal, rounded);
  const std::uint32_t special = magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u;
  return static_cast<std::uint16_t>(sign | either(magnitude >= 0x477FF000u, special, finite));
}

inline float bfloat_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

inline std::uint16_t float_to_bfloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  const std::uint32_t rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
  return static_cast<std::uint16_t>((is_nan ? bits | 0x400000u : rounded) >> 16);
}

}  // namespace r1
