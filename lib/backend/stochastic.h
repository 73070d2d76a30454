#pragma once

#include <bit>
#include <cstdint>

#include "lib/base/random.h"
#include "lib/tensor/float8.h"

namespace r1 {

// Numbers are rounded up or down by chance, so that the mean of many is the number: small changes
// are not lost. arXiv:1502.02551. `bits` are 16 random ones, which are added to what is cut off.

constexpr std::uint16_t bf16_by_chance(float value, std::uint32_t bits) {
  const std::uint32_t whole = std::bit_cast<std::uint32_t>(value);
  const bool finite = (whole & 0x7F800000u) != 0x7F800000u;
  const bool not_a_number = !finite && (whole & 0x007FFFFFu) != 0;
  return static_cast<std::uint16_t>(((finite ? whole + bits : whole) >> 16) |
                                    (not_a_number ? 1u : 0u));
}

// Of finite numbers; too large ones become the largest.
template <typename Format>
constexpr std::uint8_t float8_by_chance(float value, std::uint32_t bits) {
  constexpr int kCut = 23 - Format::kFraction;
  constexpr std::uint32_t kLargest = std::bit_cast<std::uint32_t>(Format::kLargest);
  constexpr std::uint32_t kOffset = std::uint32_t{127 - Format::kBias} << Format::kFraction;
  constexpr std::uint32_t kSmallestNormal = std::uint32_t{128 - Format::kBias} << 23;
  const auto whole = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (whole >> 24) & 0x80u, magnitude = whole & 0x7FFFFFFFu;
  if (magnitude < kSmallestNormal) {
    constexpr float kSteps = 1.0f / float8_to_f32<Format>(1);
    const float steps = std::bit_cast<float>(magnitude) * kSteps;
    return static_cast<std::uint8_t>(
        sign | static_cast<std::uint32_t>(steps + static_cast<float>(bits) * 0x1p-16f));
  }
  const std::uint32_t moved = magnitude + (bits << (kCut - 16));
  return static_cast<std::uint8_t>(sign |
                                   (((moved < kLargest ? moved : kLargest) >> kCut) - kOffset));
}

// What codes of a moment's block are multiplied by.
constexpr float moment_scale(float most) {
  constexpr float kSmallestNormal = 0x1p-126f;
  const float scale = most / E4M3::kLargest;
  return scale < kSmallestNormal ? kSmallestNormal : scale;
}

// Such a code: of a square root, which divides, no 0 but of 0.
constexpr std::uint8_t moment_by_chance(float value, float scale, std::uint32_t bits, bool root) {
  const std::uint8_t code = float8_by_chance<E4M3>(value / scale, bits);
  return root && code == 0 && value > 0.0f ? std::uint8_t{1} : code;
}

// The bits of one weight and its two moments.
struct WeightChances {
  std::uint32_t weight, first, second;
};
constexpr WeightChances weight_chances(std::uint64_t seed, std::int64_t element) {
  const auto at = static_cast<std::uint64_t>(element);
  const RandomBlock block = random_block(seed, 0, at / 2);
  const std::uint32_t* words = block.words + at % 2 * 2;
  return {words[0] & 0xFFFFu, words[0] >> 16, words[1] & 0xFFFFu};
}

}  // namespace r1
