#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace r1::quant {

// Four numbers side by side, which every x86-64 and ARM64 works on in one instruction. The searches
// put a block (or sub-block) in each lane: sums over a block never cross lanes, so that they have
// one order, and the loops read like those over one block.
using Lanes [[gnu::vector_size(16)]] = float;
using LaneMask [[gnu::vector_size(16)]] = std::int32_t;
inline constexpr std::size_t kLanes = 4;

inline Lanes all(float v) { return Lanes{v, v, v, v}; }
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
inline float sum(Lanes v) { return (v[0] + v[1]) + (v[2] + v[3]); }
inline float largest(Lanes v) { return std::max(std::max(v[0], v[1]), std::max(v[2], v[3])); }

// The same number of each of four rows, `stride` apart, in a lane each.
template <std::size_t n>
std::array<Lanes, n> to_lanes(const float* rows, std::size_t stride) {
  std::array<Lanes, n> lanes;
  for (std::size_t i = 0; i < n; ++i)
    lanes[i] = Lanes{rows[i], rows[stride + i], rows[2 * stride + i], rows[3 * stride + i]};
  return lanes;
}

}  // namespace r1::quant
