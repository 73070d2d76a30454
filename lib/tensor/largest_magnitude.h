#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace r1 {

// Of x [n]; infinite or a NaN where one of them is. By their bits, whose order is that of the
// magnitudes, so that the loop becomes vectors.
inline float largest_magnitude(const float* x, std::size_t n) {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < n; ++i)
    most = std::max(most, std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFu);
  return std::bit_cast<float>(most);
}

}  // namespace r1
