#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "lib/tensor/codebook.h"

namespace r1 {

// The nearest number of the codebook by how many halves lie below: midpoints between neighbours are
// multiples of a half.
inline constexpr auto kNearestInCodebook = [] {
  std::array<float, 2 * (kCodebookMost - kCodebookLeast) + 1> nearest{};
  int place = 0, middle = 4 * kCodebookLeast + 1;  // of the half, times four
  for (float& number : nearest) {
    while (place < 15 && middle > 2 * (kCodebook[place] + kCodebook[place + 1])) ++place;
    number = static_cast<float>(kCodebook[place]);
    middle += 2;
  }
  return nearest;
}();

inline float nearest_in_codebook(float x) {
  constexpr auto kLeast = static_cast<float>(kCodebookLeast);
  constexpr auto kMost = static_cast<float>(kCodebookMost);
  const float bounded = std::min(std::max(kLeast, x), kMost);  // a NaN: the least
  return kNearestInCodebook[static_cast<std::size_t>(2.0f * (bounded - kLeast))];
}

}  // namespace r1
