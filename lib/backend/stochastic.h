#pragma once

#include <bit>
#include <cstdint>

#include "lib/base/random.h"

namespace r1 {

// bf16 above or below a number, by chance, so that the mean of many is the number: small changes
// are not lost. arXiv:1502.02551. `bits`: 16 random ones, which are added to the 16 that are cut
// off.
constexpr std::uint16_t bf16_by_chance(float value, std::uint32_t bits) {
  const std::uint32_t whole = std::bit_cast<std::uint32_t>(value);
  const bool finite = (whole & 0x7F800000u) != 0x7F800000u;
  const bool not_a_number = !finite && (whole & 0x007FFFFFu) != 0;
  return static_cast<std::uint16_t>(((finite ? whole + bits : whole) >> 16) |
                                    (not_a_number ? 1u : 0u));
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
