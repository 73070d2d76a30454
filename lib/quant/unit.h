#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "lib/tensor/dtype.h"
#include "lib/tensor/largest_magnitude.h"

namespace r1::quant {

// A block is searched in units in which its largest magnitude is 1 … 2, so that no square
// underflows; a power of two, so that nothing is rounded. Scales are stored in plain units.
class Unit {
 public:
  Unit() = default;
  // Beyond its bounds a square is far from the ends of f32, too.
  explicit Unit(float largest)
      : size_(std::clamp(power_of_two(largest), 0x1p-100f, 0x1p126f)), inverse_(1.0f / size_) {}

  float size() const { return size_; }
  float inverse() const { return inverse_; }
  float of(float plain) const { return plain * inverse_; }
  float of_half(std::uint16_t half) const { return of(f16_to_f32(half)); }

  // The half nearest to a scale in these units.
  std::uint16_t half(float scale) const {
    return f32_to_f16(std::clamp(scale * size_, -65504.0f, 65504.0f));
  }
  // The half nearest to a scale among those not below it; scale > 0.
  std::uint16_t half_above(float scale) const {
    constexpr std::uint16_t kLargest = 0x7BFF;  // 65504
    const std::uint16_t nearest = half(scale);
    const bool below = of_half(nearest) < scale && nearest < kLargest;
    return static_cast<std::uint16_t>(nearest + (below ? 1 : 0));
  }

 private:
  // The largest not above v; 0 for what has no leading one.
  static float power_of_two(float v) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(v) & 0x7F800000u);
  }

  float size_ = 1.0f, inverse_ = 1.0f;
};

// to [n] <- x [n] in the unit that is returned.
inline Unit scaled(float* to, const float* x, int n) {
  const Unit unit(largest_magnitude(x, static_cast<std::size_t>(n)));
  for (int i = 0; i < n; ++i) to[i] = unit.of(x[i]);
  return unit;
}

// to [n] <- importance [n] over its largest; ones where there is none. The floor decides where
// nothing else does: what counts for nothing still gets the scale nearest to it.
inline void relative(float* to, const float* importance, int n) {
  constexpr float kFloor = 1e-12f;
  const float largest = importance == nullptr ? 0 : *std::max_element(importance, importance + n);
  if (largest > 0)
    for (int i = 0; i < n; ++i) to[i] = std::max(importance[i] / largest, kFloor);
  else
    std::fill(to, to + n, 1.0f);
}

}  // namespace r1::quant
