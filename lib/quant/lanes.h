#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lib/base/vectorized.h"  // for functions that work on them

namespace r1::quant {

// Eight numbers side by side: one register of AVX2, two of others. The searches put a block (or
// sub-block) in each lane: sums over a block never cross lanes, so that they have one order, and
// the loops read like those over one block.
using Lanes [[gnu::vector_size(32)]] = float;
using LaneMask [[gnu::vector_size(32)]] = std::int32_t;
inline constexpr std::size_t kLanes = 8;

inline Lanes all(float v) { return v - Lanes{}; }
inline Lanes select(LaneMask where, Lanes a, Lanes b) { return where ? a : b; }
inline Lanes smaller(Lanes a, Lanes b) { return a < b ? a : b; }
inline Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }
inline Lanes magnitude(Lanes a) { return larger(a, -a); }
inline Lanes clamp(Lanes v, Lanes least, Lanes most) { return smaller(larger(v, least), most); }
// To the nearest whole number, as the sum with 1.5 2^23 rounds it; |v| < 2^22.
inline Lanes whole(Lanes v) { return (v + 12582912.0f) - 12582912.0f; }
// a / b, and 0 where b is not above 0.
inline Lanes ratio(Lanes a, Lanes b) { return select(b > 0.0f, a / b, Lanes{}); }
inline Lanes inverse_or_zero(Lanes v) { return select(v != 0.0f, 1.0f / v, Lanes{}); }
inline float sum(Lanes v) {
  return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}
inline float largest(Lanes v) {
  float most = v[0];
  for (std::size_t lane = 1; lane < kLanes; ++lane) most = std::max(most, v[lane]);
  return most;
}

// The half nearest to each, or `away` halves larger in magnitude, between 0 and 65504.
inline Lanes half_near(Lanes v, int away) {
  const auto bits = reinterpret_cast<LaneMask>(magnitude(v));
  // The fraction keeps 10 of its 23 bits; below 2^-14 halves lie 2^-24 apart, as in this sum.
  const Lanes normal =
      reinterpret_cast<Lanes>((bits + 0xFFF + ((bits >> 13) & 1)) & ~LaneMask{} << 13);
  const Lanes subnormal = (magnitude(v) + 0.5f) - 0.5f;
  const Lanes half = select(magnitude(v) < 0x1p-14f, subnormal, normal);
  const Lanes binade = reinterpret_cast<Lanes>(reinterpret_cast<LaneMask>(half) & 0x7F800000);
  const Lanes gap = larger(binade * 0x1p-10f, all(0x1p-24f));
  const Lanes m = clamp(half + static_cast<float>(away) * gap, Lanes{}, all(65504.0f));
  return select(v < 0.0f, -m, m);
}

// Rows of eight become columns.
inline void transpose(Lanes* v) {
  Lanes pairs[kLanes], fours[kLanes];
  for (std::size_t i = 0; i < kLanes; i += 2) {
    pairs[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (std::size_t i = 0; i < kLanes; i += 4)
    for (std::size_t j = i; j < i + 2; ++j) {
      const Lanes a = pairs[j], b = pairs[j + 2];
      fours[i + 2 * (j - i)] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
      fours[i + 2 * (j - i) + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (std::size_t i = 0; i < 4; ++i) {
    v[i] = __builtin_shufflevector(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    v[i + 4] = __builtin_shufflevector(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// n numbers, a multiple of eight, of each of eight rows, `stride` apart: a row in each lane.
template <std::size_t n>
std::array<Lanes, n> to_lanes(const float* rows, std::size_t stride) {
  std::array<Lanes, n> lanes;
  for (std::size_t i = 0; i < n; i += kLanes) {
    for (std::size_t row = 0; row < kLanes; ++row)
      std::memcpy(&lanes[i + row], rows + row * stride + i, sizeof(Lanes));
    transpose(&lanes[i]);
  }
  return lanes;
}
template <std::size_t n>
void from_lanes(float* rows, std::size_t stride, std::array<Lanes, n> lanes) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    transpose(&lanes[i]);
    for (std::size_t row = 0; row < kLanes; ++row)
      std::memcpy(rows + row * stride + i, &lanes[i + row], sizeof(Lanes));
  }
}

}  // namespace r1::quant
