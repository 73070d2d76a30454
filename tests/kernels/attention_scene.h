#pragma once

#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>

#include "lib/backend/backend.h"
#include "tests/support/backends.h"
#include "tests/support/close.h"

namespace r1::test {

using Ints = std::vector<std::int32_t>;
using Floats = std::vector<float>;

// Whole documents in a row, and all that attention reads of them.
struct Scene {
  std::int64_t T, H, KV, hd;
  Ints start;
  Floats q, k, v, A;  // [T, H, hd], [T, KV, hd], [T, KV, hd], [T, KV] or empty
  AttentionOptions options;

  std::size_t queries() const { return static_cast<std::size_t>(T * H * hd); }
  std::size_t keys() const { return static_cast<std::size_t>(T * KV * hd); }
};

inline std::string to_string(const Scene& s) {
  return to_string(Shape{s.T, s.H, s.KV, s.hd}) + (s.A.empty() ? "" : " DAW") + " window " +
         std::to_string(s.options.window);
}

// A falls by 0 … 0.4 a row, and starts again with each document.
inline Floats falling(const Ints& start, std::int64_t KV, float fastest) {
  Floats A;
  const Floats steps =
      random_values(static_cast<std::int64_t>(start.size()) * KV, 8, 0.0f, fastest);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto kv = static_cast<std::size_t>(KV), t = i / kv;
    const bool first = static_cast<std::size_t>(start[t]) == t;
    A.push_back((first ? 0.0f : A[i - kv]) - steps[i]);
  }
  return A;
}

inline Ints documents(std::initializer_list<std::int32_t> lengths) {
  Ints start;
  for (const std::int32_t n : lengths)
    start.insert(start.end(), static_cast<std::size_t>(n), static_cast<std::int32_t>(start.size()));
  return start;
}

inline Scene scene(Ints start, std::int64_t H, std::int64_t KV, std::int64_t hd, bool daw) {
  const auto T = static_cast<std::int64_t>(start.size());
  Scene s{T,
          H,
          KV,
          hd,
          std::move(start),
          random_values(T * H * hd, 1),
          random_values(T * KV * hd, 2),
          random_values(T * KV * hd, 3),
          {},
          {}};
  if (daw) s.A = falling(s.start, KV, 0.4f);
  s.options.scale = 1.0f / std::sqrt(static_cast<float>(hd));
  return s;
}

// The largest |q·k| scale, with q and k on [-1, 1].
inline double largest_score(const Scene& s) { return s.options.scale * static_cast<double>(s.hd); }

// By what share of itself a weight of the softmax may be off, and twice that when it is divided by
// the sum: its score is a sum of hd products, then meets A_i, A_j and the largest score, each with
// a rounding of what it has become.
inline double weight_error(const Scene& s) {
  const double size = largest_score(s) + largest(s.A);
  return roundings(s.hd + 4) * largest_score(s) + 6.0 * kF32 * size + kFunction;
}

// By what share of itself a factor of a product may be off that is made on the way.
inline double factor_error(const Scene& s) {
  return s.options.products == DType::bf16 ? kBf16 : 0.0;
}

// Of a result that is a weighted mean of values up to `largest`.
inline double mean_error(const Scene& s, double largest) {
  return (2.0 * weight_error(s) + roundings(s.T + 8) + factor_error(s)) * largest;
}

}  // namespace r1::test
