#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/isa/kernels.h"

namespace r1::cpu {

// What products of plain matrices sum over: an f32, or two neighbours of 16 bits.
template <typename T>
using Term = std::conditional_t<std::is_same_v<T, float>, float, Pair>;
template <typename T>
inline constexpr std::int64_t kTogether = sizeof(Term<T>) / sizeof(T);

// n terms, of n numbers of one row or of two.
inline void join(float* to, const float* from, const float*, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
}
inline void join(Pair* to, const std::uint16_t* first, const std::uint16_t* second,
                 std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t both = first[i] | std::uint32_t{second[i]} << 16;  // one store
    std::memcpy(to + i, &both, sizeof both);
  }
}

// Rows that are `apart` become terms in strips of columns: [columns / wide, rows / kTogether,
// wide].
template <int wide, typename T>
void join_strips(Term<T>* strips, const T* from, std::int64_t apart, std::int64_t rows,
                 std::int64_t columns) {
  const std::int64_t terms = (rows + kTogether<T> - 1) / kTogether<T>;
  for (std::int64_t k = 0; k < terms; ++k) {
    const std::int64_t first = k * kTogether<T>, last = first + kTogether<T> - 1;
    const auto put = [&](std::int64_t c, std::int64_t n) {
      static constexpr T kNone[std::size_t{wide}] = {};
      join(strips + c * terms + k * wide, from + first * apart + c,
           last < rows ? from + last * apart + c : kNone, n);
    };
    std::int64_t c = 0;
    for (; c + wide <= columns; c += wide) put(c, wide);
    put(c, columns - c);
  }
}

}  // namespace r1::cpu
