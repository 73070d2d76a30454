#pragma once

#include <cmath>

#include "lib/tensor/tensor.h"

namespace r1::ref {

// Row r of an f32 tensor seen as a matrix [rows, cols].
inline float* row(const Tensor& t, std::int64_t r) { return t.as<float>() + r * t.cols(); }

inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// log(1 + exp(x)) without overflow.
inline double softplus(double x) { return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

// += of a value that was summed in double: rounded once.
inline void add_to(float& sum, double value) { sum = static_cast<float>(double{sum} + value); }

inline double dot(const float* a, const float* b, std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) sum += double{a[i]} * b[i];
  return sum;
}

}  // namespace r1::ref
