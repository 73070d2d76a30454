#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace r1::test {

// Tolerances are worked out, from these: what one rounding to nearest may change, as a share of
// the result.
inline constexpr double kF32 = 0x1p-24;
inline constexpr double kBf16 = 0x1p-8;
inline constexpr double kF16 = 0x1p-11;

// exp, log, sine and the like in f32 may be off by this share: eight roundings.
inline constexpr double kFunction = 8 * kF32;

// n roundings one after another, as a share of the sum of the terms' sizes: the most that a sum of
// n products can be off, in any order (Higham, Accuracy and Stability of Numerical Algorithms, 3).
inline double roundings(std::int64_t n) {
  const double nu = static_cast<double>(n) * kF32;
  return nu / (1.0 - nu);
}

inline double largest(const std::vector<float>& values) {
  double most = 0.0;
  for (const float v : values) most = std::max(most, std::abs(double{v}));
  return most;
}

inline std::vector<float> magnitudes(std::vector<float> values) {
  for (float& v : values) v = std::abs(v);
  return values;
}

// share * sizes[i] + floor for each element.
inline std::vector<double> tolerances(const std::vector<float>& sizes, double share,
                                      double floor = 0.0) {
  std::vector<double> all;
  for (const float s : sizes) all.push_back(share * std::abs(double{s}) + floor);
  return all;
}

// |got[i] - want[i]| <= tolerance[i] for every i; says where it is worst. NaN is never close.
inline testing::AssertionResult close(const std::vector<float>& got, const std::vector<float>& want,
                                      const std::vector<double>& tolerance) {
  if (got.size() != want.size() || got.size() != tolerance.size())
    return testing::AssertionFailure() << got.size() << " elements, not " << want.size();
  double worst = 1.0;
  std::size_t at = got.size();
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double share = std::abs(double{got[i]} - double{want[i]}) / (tolerance[i] + 1e-300);
    if (share <= worst) continue;  // not so for NaN
    at = i;
    if (std::isnan(share)) break;
    worst = share;
  }
  if (at == got.size()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "element " << at << " of " << got.size() << " is "
                                     << got[at] << ", not " << want[at] << " +- " << tolerance[at];
}

inline testing::AssertionResult close(const std::vector<float>& got, const std::vector<float>& want,
                                      double tolerance) {
  return close(got, want, std::vector<double>(got.size(), tolerance));
}

}  // namespace r1::test
