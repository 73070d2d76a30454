#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "lib/tensor/dtype.h"

namespace r1::quant {

// A block is searched in units in which its largest magnitude is 1 … 2, so that no square
// underflows; a power of two, so that nothing is rounded. Scales are stored in plain units.
class Unit {
 public:
  Unit() = default;
  explicit Unit(float largest) : size_(largest > 0 ? std::ldexp(1.0, std::ilogb(largest)) : 1.0) {}

  float of(float plain) const { return static_cast<float>(plain / size_); }
  float of_half(std::uint16_t half) const { return of(f16_to_f32(half)); }

  // The half nearest to a scale in these units, or `away` halves larger in magnitude.
  std::uint16_t half(float scale, int away = 0) const {
    constexpr int kLargest = 0x7BFF;  // 65504
    const int half = f32_to_f16(static_cast<float>(std::clamp(scale * size_, -65504.0, 65504.0)));
    return static_cast<std::uint16_t>((half & 0x8000) |
                                      std::clamp((half & 0x7FFF) + away, 0, kLargest));
  }
  // The half nearest to a scale among those not below it.
  std::uint16_t half_above(float scale) const {
    const std::uint16_t nearest = half(scale);
    return of_half(nearest) < scale ? half(scale, 1) : nearest;
  }

 private:
  double size_ = 1.0;
};

// to [n] <- x [n] in the unit that is returned.
inline Unit scaled(float* to, const float* x, int n) {
  float largest = 0;
  for (int i = 0; i < n; ++i) largest = std::max(largest, std::abs(x[i]));
  const Unit unit(largest);
  for (int i = 0; i < n; ++i) to[i] = unit.of(x[i]);
  return unit;
}

// to [n] <- importance [n] over its largest. The floor decides where nothing else does: what counts
// for nothing still gets the scale nearest to it.
inline void relative(float* to, const float* importance, int n) {
  constexpr float kFloor = 1e-12f;
  const float largest = *std::max_element(importance, importance + n);
  for (int i = 0; i < n; ++i)
    to[i] = largest > 0 ? std::max(importance[i] / largest, kFloor) : 1.0f;
}

}  // namespace r1::quant
