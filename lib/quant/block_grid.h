#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "lib/quant/lanes.h"
#include "lib/tensor/dtype.h"
#include "lib/tensor/nearest_in_codebook.h"

namespace r1::quant {

// What a block stores beside its levels: a level q, a whole number, of sub-block j decodes to
// step(j) q - low(j).
struct BlockGrid {
  float d = 0, m = 0;  // as they are stored
  std::int8_t scale[16] = {1}, minimum[8] = {};

  float step(std::int64_t j) const { return d * static_cast<float>(scale[j]); }
  float low(std::int64_t j) const { return j < 8 ? m * static_cast<float>(minimum[j]) : 0.0f; }
};

// The whole numbers of a type, and how many elements share a scale.
struct Levels {
  int least, most;
  int scale_least, scale_most;
  bool minima;
  int sub_block;
  bool codebook = false;  // its numbers alone

  // One side reaches so much farther that a step is worth trying both ways round.
  constexpr bool lopsided() const { return 10 * most < -9 * least; }
};
constexpr Levels levels_of(DType dtype) {
  switch (dtype) {
    case DType::q8_0:
      return {-127, 127, 1, 1, false, 32};  // -128 is left unused, as every writer does
    case DType::q4_0:
      return {-8, 7, 1, 1, false, 32};
    case DType::q4_k:
      return {0, 15, 0, 63, true, 32};
    case DType::q5_k:
      return {0, 31, 0, 63, true, 32};
    case DType::iq4_nl:
      return {kCodebookLeast, kCodebookMost, 1, 1, false, 32, true};
    case DType::iq4_xs:
      return {kCodebookLeast, kCodebookMost, -32, 31, false, 32, true};
    default:
      return {-32, 31, -128, 127, false, 16};  // q6_k
  }
}

// The levels nearest to what is counted in steps.
inline Lanes nearest_levels(Lanes scaled, const Levels& levels) {
  const Lanes least = all(static_cast<float>(levels.least));
  const Lanes bounded = clamp(scaled, least, all(static_cast<float>(levels.most)));
  if (!levels.codebook) return whole(bounded);
  Lanes nearest;
  const LaneMask half = __builtin_convertvector(2.0f * (bounded - least), LaneMask);
  for (std::size_t lane = 0; lane < kLanes; ++lane)
    nearest[lane] = kNearestInCodebook[static_cast<std::size_t>(half[lane])];
  return nearest;
}

// The level nearest to x, by the same products as in the searches.
inline float nearest_level(float x, float step, float low, const Levels& levels) {
  const float scaled = step != 0 ? (x + low) * (1.0f / step) : 0.0f;
  if (levels.codebook) return nearest_in_codebook(scaled);
  const float bounded =
      std::clamp(scaled, static_cast<float>(levels.least), static_cast<float>(levels.most));
  return (bounded + 12582912.0f) - 12582912.0f;  // as `whole` of lanes.h
}

// A block of `dtype` <- its grid and its levels.
void write_block(std::byte* block, const BlockGrid& grid, const std::int8_t* levels, DType dtype);

}  // namespace r1::quant
